"""A table for the others; nothing is wrong with it."""
