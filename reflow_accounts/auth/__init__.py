"""Authentication of people: login, sessions, passwords, second factors, passkeys."""
