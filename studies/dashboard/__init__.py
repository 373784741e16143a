"""Show the studies of a storage in optuna-dashboard."""
