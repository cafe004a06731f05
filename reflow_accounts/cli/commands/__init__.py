"""The commands, one module per noun; `app.py` imports a module when its command runs."""
