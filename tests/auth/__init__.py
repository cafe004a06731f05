"""People: signing in and out, sessions, the profile."""
