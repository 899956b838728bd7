"""A plugin as a third party would ship it, for the storm."""

from storm_jobs import family, gather, leaf, limited, unique, wait

__all__ = ["family", "gather", "leaf", "limited", "unique", "wait"]
