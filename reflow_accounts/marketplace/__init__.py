"""AWS Marketplace: registration of buyers, events, reconciliation."""
