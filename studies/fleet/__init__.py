"""Many workers at once."""
