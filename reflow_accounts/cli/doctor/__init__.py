"""The checks of `reflow doctor`, one module per area; each check yields findings and raises nothing."""
