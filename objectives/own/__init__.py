"""Networks that users build themselves: their file, the trial that it gets, its search space."""
