"""Pages of the Team tab and of an invitation link."""
