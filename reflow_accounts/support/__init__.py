"""The staff console: find a team, see its subscription, change it with a reason."""
