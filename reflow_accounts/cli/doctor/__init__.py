"""The checks of `reflow doctor`, one module per area. Checks yield findings and do not raise errors."""
