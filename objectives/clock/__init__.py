"""Reading the time from pictures of clocks: the pictures, the network and the metrics."""
