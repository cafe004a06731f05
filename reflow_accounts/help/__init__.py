"""Help pages and health checks."""
