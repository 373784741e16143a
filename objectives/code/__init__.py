"""Users' code by name: where it is, what it is made of, and what it has when it is imported."""
