"""The site on real servers: ASGI and WSGI, and HTTP itself."""
