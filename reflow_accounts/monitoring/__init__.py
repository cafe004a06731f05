"""What operators and their machines watch: health, readiness and metrics."""
