"""The scoring of the MDN HTTP Observatory, as far as one site's own answers decide it.

Rules and modifiers: https://github.com/mdn/mdn-http-observatory, src/grader/charts.js and
src/analyzer/tests/, read in November 2026; grades: "Tests & Scoring" on MDN. What depends on others is
left out, because it is 0 here: whether plain HTTP leads to HTTPS (the proxy's work), and preloading (+5).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import SimpleCookie

from tests.helpers.html import Element

BASE, FOR_EXTRA_CREDIT = 100, 90
GRADES = {100: "A+", 90: "A", 85: "A-", 80: "B+", 70: "B", 65: "B-", 60: "C+", 50: "C", 45: "C-", 40: "D+"}
SIX_MONTHS = 15_768_000
BROAD = {"ftp:", "http:", "https:", "*", "http://*", "http://*.*", "https://*", "https://*.*"}
INLINE = {"'unsafe-inline'", "data:"}
PRIVATE = {"no-referrer", "same-origin", "strict-origin", "strict-origin-when-cross-origin"}

Policy = dict[str, set[str]]


@dataclass(frozen=True)
class Answer:
    """A page as it is answered over HTTPS: headers, every Set-Cookie, the document."""

    headers: Mapping[str, str]
    cookies: list[str]
    page: Element

    @property
    def policy(self) -> Policy:
        parts = [part.split() for part in self.headers.get("Content-Security-Policy", "").split(";")]
        return {part[0].lower(): {source.lower() for source in part[1:]} for part in parts if part}


def csp(answer: Answer) -> int:
    policy = answer.policy
    if not policy:
        return -25
    default = policy.get("default-src", {"*"})
    script, style, objects = (policy.get(name, default) for name in ("script-src", "style-src", "object-src"))
    passive = policy.get("img-src", default) | policy.get("media-src", default)
    active = {
        source
        for name, sources in policy.items()
        if name not in ("img-src", "media-src")
        for source in sources
    }
    if script & (BROAD | INLINE) or objects & BROAD:
        return -20
    if any(source.startswith(("http:", "ftp:")) for source in active | script):
        return -20
    if "'unsafe-eval'" in script | style or any(source.startswith(("http:", "ftp:")) for source in passive):
        return -10
    if style & (BROAD | INLINE):
        return 0
    return 10 if default == {"'none'"} and policy.get("form-action", {"*"}) <= {"'none'", "'self'"} else 5


def cookies(answer: Answer) -> int:
    """Every cookie of ours holds the session."""
    found = [morsel for text in answer.cookies for morsel in SimpleCookie(text).values()]
    if not found:
        return 0
    if not all(morsel["secure"] for morsel in found):
        return -10 if hsts(answer) == 0 else -40
    if not all(morsel["httponly"] for morsel in found):
        return -30
    same_site = {morsel["samesite"].lower() for morsel in found}
    if same_site <= {"strict", "lax"}:
        return 5
    return 0 if same_site <= {"", "strict", "lax"} else -20


def cors(answer: Answer) -> int:
    is_open = answer.headers.get("Access-Control-Allow-Credentials") == "true"
    return -50 if is_open and "Access-Control-Allow-Origin" in answer.headers else 0


def hsts(answer: Answer) -> int:
    directives = answer.headers.get("Strict-Transport-Security", "").replace(" ", "").lower().split(";")
    ages = [part.partition("=")[2] for part in directives if part.startswith("max-age=")]
    if len(ages) != 1 or not ages[0].isdigit():
        return -20
    return 0 if int(ages[0]) >= SIX_MONTHS else -10


def referrer(answer: Answer) -> int:
    found = answer.headers.get("Referrer-Policy", "").lower()
    if not found:
        return 0
    return 5 if found in PRIVATE else -5


def integrity(answer: Answer) -> int:
    """Scripts of our own need none; those of others would cost."""
    sources = [script["src"] for script in answer.page.all("script") if script["src"]]
    foreign = [source for source in sources if not source.startswith("/") or source.startswith("//")]
    return -50 if foreign else 0


def sniffing(answer: Answer) -> int:
    return 0 if answer.headers.get("X-Content-Type-Options", "").lower() == "nosniff" else -5


def framing(answer: Answer) -> int:
    ancestors = answer.policy.get("frame-ancestors", {"*"})
    if not ancestors & BROAD:
        return 5
    return 0 if answer.headers.get("X-Frame-Options", "").upper() in ("DENY", "SAMEORIGIN") else -20


def resources(answer: Answer) -> int:
    found = answer.headers.get("Cross-Origin-Resource-Policy", "").lower()
    return {"": 0, "cross-origin": 0, "same-origin": 10, "same-site": 10}.get(found, -5)


TESTS = (csp, cookies, cors, hsts, referrer, integrity, sniffing, framing, resources)


def score(answer: Answer) -> int:
    """Return the points: 100 less what is missing, and the extra credit from 90 points on."""
    modifiers = [test(answer) for test in TESTS]
    without = BASE + sum(modifier for modifier in modifiers if modifier < 0)
    extra = sum(modifier for modifier in modifiers if modifier > 0)
    return max(0, without + (extra if without >= FOR_EXTRA_CREDIT else 0))


def grade(points: int) -> str:
    return next((letter for least, letter in GRADES.items() if points >= least), "D or worse")
