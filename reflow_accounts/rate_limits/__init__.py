"""Rate limits, counted in the database that all nodes share."""
