"""Where the pictures come from, and how they are split for training, validation and test."""
