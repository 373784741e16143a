"""How a point is chosen, and when a trial is pruned, each by its name in a definition."""
