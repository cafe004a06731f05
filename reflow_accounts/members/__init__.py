"""The Team tab: who belongs to a team with which rights, and who is invited."""
