"""Authentication of API requests by key or session, and the endpoints /me and /authorize."""
