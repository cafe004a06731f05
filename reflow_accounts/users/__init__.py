"""Users: profile, e-mail address, sign-up, deletion, and what operators do to them."""
