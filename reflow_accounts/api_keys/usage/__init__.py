"""The log of the uses of keys: append, count, list, roll up, prune, verify."""
