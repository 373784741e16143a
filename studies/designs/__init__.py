"""Designed experiments: a search space -> the list of its points. Pure functions."""
