"""What settings came to with fresh seeds, here and on other data."""
