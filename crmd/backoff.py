"""How long a failed attempt waits for the next one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crmd.errors import UsageError
from crmd.wallclock import utc_of

RETRY_AFTER_MIN_SECONDS = 1.0
RETRY_AFTER_MAX_SECONDS = 6 * 3600.0
_VALUE_MAX = 64
_SECONDS = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?", re.ASCII)
# The three forms of an HTTP date (RFC 9110, 5.6.7) all open with a weekday's name.
_DATE = re.compile(r"(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{0,6},? [0-9a-z :,+-]{1,50}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential delays with a cap; jitter only ever adds, so nothing comes back earlier than asked.

    Args:
        first_seconds: Delay after the first attempt.
        factor: By which each further attempt multiplies it, 1 to 10.
        cap_seconds: The delay never grows beyond this (jitter comes on top).
        jitter: Share of the delay that chance adds at most, 0 to 1.
    """

    first_seconds: float = 5.0
    factor: float = 2.0
    cap_seconds: float = 3600.0
    jitter: float = 0.25

    def __post_init__(self) -> None:
        if not 0 < self.first_seconds <= self.cap_seconds < math.inf:
            raise UsageError("A backoff starts above 0 seconds and its cap is not below its start.")
        if not (1 <= self.factor <= 10 and 0 <= self.jitter <= 1):  # noqa: PLR2004 - the bounds the docstring states
            raise UsageError("A backoff's factor is 1 to 10 and its jitter 0 to 1.")

    def delay_seconds(self, attempt: int, chance: float, *, retry_after_seconds: float | None = None) -> float:
        """The wait after a failed attempt, never shorter than `retry_after_seconds`.

        Args:
            attempt: The attempt that failed, from 1.
            chance: A random number in [0, 1).
            retry_after_seconds: What the other side asked for, if it did.
        """
        plain = self._plain_seconds(attempt)
        return max(plain, retry_after_seconds or 0.0) + plain * self.jitter * chance

    def _plain_seconds(self, attempt: int) -> float:
        """The exponent stops where the cap is reached: attempt 10,000 must not overflow."""
        if self.factor == 1:
            return self.first_seconds
        steps_to_cap = math.ceil(math.log(self.cap_seconds / self.first_seconds, self.factor))
        return min(self.cap_seconds, self.first_seconds * self.factor ** min(max(attempt, 1) - 1, steps_to_cap))


def parse_retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait from a Retry-After header, held between 1 second and 6 hours; None when it says nothing usable.

    Both forms of RFC 9110, 10.2.3 are read, and decimals, which some servers send. An instant in the past is 1 second.

    Args:
        value: The header's text, as received.
        now: Aware instant at which it was received.
    """
    text = (value or "").strip()
    if len(text) > _VALUE_MAX:
        return None
    seconds = float(text) if _SECONDS.fullmatch(text) else _until(text, utc_of(now))
    if seconds is None:
        return None
    return min(max(seconds, RETRY_AFTER_MIN_SECONDS), RETRY_AFTER_MAX_SECONDS)


def _until(text: str, now: datetime) -> float | None:
    if not _DATE.fullmatch(text):
        return None
    try:
        instant = parsedate_to_datetime(text)
        aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
        return (aware - now).total_seconds()
    except (ValueError, TypeError, OverflowError, IndexError):  # not a date after all: the header says nothing
        return None
