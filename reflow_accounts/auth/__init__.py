"""How a person proves who they are: login, sessions, passwords, second factors, passkeys."""
