"""The child process that holds Keras and one device, and the worker's handle on it."""
