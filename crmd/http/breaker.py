"""The breaker: after several failed calls in a row to one account's provider, everybody pauses.

One request that always fails must not stop an account, and a provider that is down must not be asked by every job in
turn. So a success resets the count, and beyond the threshold each further failure makes a longer pause.
"""

from __future__ import annotations

from crmd.backoff import Backoff

THRESHOLD = 5
"""Calls that fail in a row, each after its own attempts, before the first pause."""
PAUSE = Backoff(first_seconds=15.0, factor=2.0, cap_seconds=300.0)


class Breaker:
    """Counts failed calls in a row by key, in this daemon; the pause itself is shared through the key's gate."""

    def __init__(self) -> None:
        self._failures: dict[str, int] = {}

    def succeeded(self, key: str) -> None:
        """A call was answered."""
        self._failures.pop(key, None)

    def failed(self, key: str, chance: float) -> float | None:
        """A call was given up.

        Args:
            key: Of the gate.
            chance: A random number in [0, 1) for the jitter.

        Returns:
            Seconds for which everybody should pause, or None.
        """
        failures = self._failures[key] = self._failures.get(key, 0) + 1
        return None if failures < THRESHOLD else PAUSE.delay_seconds(failures - THRESHOLD + 1, chance)
