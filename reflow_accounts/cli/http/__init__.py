"""The HTTP client of the API: requests, retries, proxies and error messages."""
