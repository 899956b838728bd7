"""A plugin whose jobs try the walls of their places; `fleet_plugin` has its table."""

from isolated_jobs import (
    does_harm,
    kills_daemon,
    marks,
    naps_apart,
    naps_long_apart,
    never_ends,
    threaded,
    works_apart,
)

__all__ = [
    "does_harm",
    "kills_daemon",
    "marks",
    "naps_apart",
    "naps_long_apart",
    "never_ends",
    "threaded",
    "works_apart",
]
