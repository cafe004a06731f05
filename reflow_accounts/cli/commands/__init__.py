"""One module per noun; `lazy.py` imports them when they run."""
