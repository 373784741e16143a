"""Where the examples come from, and how they are split into what trains and what judges."""
