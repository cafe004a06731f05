"""The tests of the house itself."""
