"""Quota units by user and minute, with Gmail's costs for a call."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.testing.sandbox.clock import Now

WINDOW = timedelta(minutes=1)

OLDER_COSTS: dict[str, int] = {
    "getProfile": 1,
    "history.list": 2,
    "labels.list": 1,
    "labels.get": 1,
    "messages.list": 5,
    "messages.get": 5,
    "attachments.get": 5,
    "messages.modify": 5,
    "messages.trash": 5,
    "messages.untrash": 5,
    "messages.delete": 10,
    "messages.batchModify": 50,
    "messages.batchDelete": 50,
    "messages.send": 100,
    "threads.list": 10,
    "threads.get": 10,
    "sendAs.list": 1,
    "watch": 100,
    "stop": 50,
}
NEWER_COSTS = {**OLDER_COSTS, "messages.get": 20, "attachments.get": 20, "threads.get": 40}


@dataclass(frozen=True, slots=True)
class Quota:
    """How much one user may ask for in a minute, and what each method costs; None for no limit.

    `refusal_status` is how an overdraft is answered: 403 with a reason, or 429, as Gmail does either.
    """

    units_per_minute: int | None = 15_000
    costs: dict[str, int] = field(default_factory=lambda: dict(OLDER_COSTS))
    refusal_status: int = 403


def newer_quota() -> Quota:
    """Give the limits of a project made after 1 May 2026."""
    return Quota(6_000, dict(NEWER_COSTS))


class QuotaMeter:
    """What every user spent in the last minute."""

    def __init__(self, quota: Quota, now: Now) -> None:
        self.quota = quota
        self._now = now
        self._spent: dict[str, deque[tuple[datetime, int]]] = {}

    def spent(self, user: str) -> int:
        """Give the units a user spent in the minute that ends now."""
        entries = self._spent.setdefault(user, deque())
        while entries and entries[0][0] <= self._now() - WINDOW:
            entries.popleft()
        return sum(units for _, units in entries)

    def charge(self, user: str, method: str) -> datetime | None:
        """Take the units of one call; give the instant to come back when there are not enough, taking none."""
        units = self.quota.costs.get(method, 1)
        limit = self.quota.units_per_minute
        if limit is not None and self.spent(user) + units > limit:
            oldest = self._spent[user][0][0] if self._spent[user] else self._now()
            return oldest + WINDOW
        self._spent.setdefault(user, deque()).append((self._now(), units))
        return None
