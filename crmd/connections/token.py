"""An access token in hand, and how long it may be used."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmd.clock import boot_seconds

if TYPE_CHECKING:
    from crmd.secret import Secret

EARLY_SECONDS = 300.0
"""A token counts as expired this long before it is, so that it lasts for the request it is taken for."""


@dataclass(frozen=True, slots=True)
class Token:
    """An access token in the hands of the one client that may use it.

    Args:
        text: Never printed.
        fresh_until: Boot time in seconds until which it may be used without asking again.
    """

    text: Secret
    fresh_until: float

    @property
    def is_fresh(self) -> bool:
        """Whether it may still be used without asking again."""
        return boot_seconds() < self.fresh_until


def lasts(_: Secret, seconds_left: float | None) -> bool:
    """Whether a stored token is good for some minutes; one without a known end is, until the API rejects it."""
    return seconds_left is None or seconds_left > EARLY_SECONDS


def token_of(text: Secret, seconds_left: float | None) -> Token:
    """A token whose whole life is shorter than the margin is used for half of it, or it would never be used."""
    if seconds_left is None:
        return Token(text, float("inf"))
    return Token(text, boot_seconds() + max(seconds_left - EARLY_SECONDS, seconds_left / 2))
