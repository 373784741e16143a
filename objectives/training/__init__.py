"""Train trials: one after the other, or side by side as lanes of one compiled program."""
