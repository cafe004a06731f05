"""The tests: of every room through its edges, of the house, of the command, and journeys in a browser."""
