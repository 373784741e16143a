"""The search space: factors and their levels, and how they are read from TOML."""
