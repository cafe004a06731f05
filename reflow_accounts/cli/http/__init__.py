"""The HTTP client of the API: one request, one answer, and every error on the way."""
