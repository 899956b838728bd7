"""A clock that stands still until a test moves it, for token expiry, quota minutes and device polling."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Now = Callable[[], datetime]


def wall_now() -> datetime:
    """Give the present instant, aware UTC."""
    return datetime.now(UTC)


class StoppedClock:
    """A callable clock; `advance` moves it.

    Args:
        start_at: Where it stands at first, aware UTC.
    """

    def __init__(self, start_at: datetime) -> None:
        self._now_at = start_at

    def __call__(self) -> datetime:
        """Give the instant at which the clock stands."""
        return self._now_at

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        self._now_at += timedelta(seconds=seconds)
