"""The beginning and the end of an account: sign up with a team, delete."""
