"""The `reflow` command: rings at the API's door and knows nothing else of the house."""
