"""Teams, who belongs to them and with which rights."""
