"""Reading the time from pictures of clocks: the pictures, the labels and the measure."""

RENDERER_VERSION = 2
"""Changes with every change of what a seed comes to in `objectives.clock.render`."""
