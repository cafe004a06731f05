"""Users: profile, e-mail address, sign-up, deletion and administration."""
