"""Is this team paid for, and why do we believe so."""
