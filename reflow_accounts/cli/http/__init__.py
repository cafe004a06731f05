"""The line to the server: one request, one answer, and all that can go wrong on the way."""
