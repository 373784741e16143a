"""The command `hpo`: parsing and printing only."""
