"""Grades a plugin by running it through what happens to jobs in the world: what `crmd plugin check` does."""
