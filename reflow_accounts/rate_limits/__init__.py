"""Rate limits, counted for all nodes in the database, Redis or Valkey."""
