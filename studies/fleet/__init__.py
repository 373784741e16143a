"""Run many workers at once."""
