"""The log of uses: exact, folded, verified, pruned."""
