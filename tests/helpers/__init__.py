"""What tests are built with: servers, databases, page rules."""
