"""General networks of stock Keras layers, one a file."""
