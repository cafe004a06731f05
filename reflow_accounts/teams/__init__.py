"""Teams, their members with rights, invitations and service accounts."""
