"""Why there is no table: something is not as it must be before a figure may be told."""

from __future__ import annotations


class BenchError(Exception):
    """A check of the tool's own failed, or what it needs does not work."""
