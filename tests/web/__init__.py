"""What every page and every answer needs."""
