"""The baseline: a Flask view that returns a small JSON document."""

from flask import Flask

app = Flask(__name__)


@app.get("/api/v1/me")
@app.get("/api/v1/authorize")
def answer() -> dict[str, str]:
    return {"status": "ok"}
