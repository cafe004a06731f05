"""What `reflow doctor` looks at, a module for each part; each check yields findings and raises nothing."""
