"""Several nodes, and faults: `make test-cluster` and `make test-faults`."""
