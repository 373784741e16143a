"""What the factors of a study do: means, analysis of variance, aliases, importance."""
