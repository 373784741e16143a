"""Optuna's dashboard on a storage of ours."""
