"""Pages of login, the login of a terminal, and the Security tab."""
