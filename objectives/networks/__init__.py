"""The networks of general use, each a file of stock Keras layers."""
