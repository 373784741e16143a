"""A trial made again and compared with the first time."""
