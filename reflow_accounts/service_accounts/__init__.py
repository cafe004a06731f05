"""Service accounts with their keys: what a program signs its requests with, in the name of a team."""
