"""A plugin as a third party would ship it, for tests with real daemons."""

from fleet_jobs import block_loop, mark, mark_limited, mark_local, mark_three

__all__ = ["block_loop", "mark", "mark_limited", "mark_local", "mark_three"]
