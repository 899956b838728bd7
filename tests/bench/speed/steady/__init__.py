"""The second table: a steady offer of jobs while things go wrong."""
