"""How much one caller may ask: requests by the minute, in this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING

from crmd.api.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from crmd.api.identity import Identity

CALLERS_MAX = 50_000
MINUTE = 60.0


class Requests:
    """A bucket of a minute's requests for each caller, filled evenly.

    Args:
        per_minute: As it is set now.
    """

    def __init__(self, per_minute: Callable[[], int]) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, identity: Identity, now: float | None = None) -> None:
        """Count one request.

        Raises:
            Problem: 429: none is left.
        """
        most = self._per_minute()
        at = time.monotonic() if now is None else now
        left, since = self._buckets.pop(identity.name, (float(most), at))
        left = min(float(most), left + (at - since) * most / MINUTE)
        if left < 1:
            self._buckets[identity.name] = (left, at)
            wait = max(1, round((1 - left) * MINUTE / most + 0.5))
            raise Problem(
                429,
                "too-many",
                f"That were more than {most} requests within a minute.",
                hint=f"Try again in {wait} s.",
                headers={"Retry-After": str(wait)},
            )
        self._buckets[identity.name] = (left - 1, at)
        while len(self._buckets) > CALLERS_MAX:
            self._buckets.popitem(last=False)
