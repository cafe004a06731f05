"""The real server when it is killed, overloaded or without its database."""
