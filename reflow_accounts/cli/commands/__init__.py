"""The commands, one module per noun; `app.py` imports them when they run."""
