"""Tells programs whom they speak for."""
