"""What an answer of Gmail means: Google says some rate limits by 403, and some pauses only in the message's text."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo
from http import HTTPStatus
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import crmd
from crmd_gmail.refusal import read_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

RATE_REASONS = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded", "RATE_LIMIT_EXCEEDED", "RESOURCE_EXHAUSTED"}
)
DAILY_REASON = "dailyLimitExceeded"
PAUSE_MAX_SECONDS = 6 * 3600.0
_MESSAGE_CHARS_MAX = 500
_INSTANT = re.compile(r"retry after (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def read_verdict(status: int, headers: Mapping[str, str], body: bytes) -> crmd.Verdict:
    """Read an answer; implements `crmd.Provider.classify`."""
    if status not in {HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS}:
        return crmd.classify(status, headers, body)
    refusal = read_refusal(body)
    if refusal.reason == DAILY_REASON:
        return crmd.RateLimited(seconds_to_next_day(crmd.served_at(headers)), "Gmail's quota of this day is used up")
    if status == HTTPStatus.FORBIDDEN and refusal.reason not in RATE_REASONS:
        return crmd.Final()
    asked = crmd.classify(HTTPStatus.TOO_MANY_REQUESTS, headers, body)
    after = asked.after_seconds if isinstance(asked, crmd.RateLimited) else None
    told = seconds_told(refusal.message, crmd.served_at(headers))
    pauses = [seconds for seconds in (after, told) if seconds is not None]
    return crmd.RateLimited(max(pauses, default=None), "Gmail's rate limit")


def seconds_told(message: str, now: datetime) -> float | None:
    """The pause in "… Retry after 2026-01-01T00:00:00.000Z", 1 second to 6 hours; None when there is none."""
    found = _INSTANT.search(message[:_MESSAGE_CHARS_MAX])
    if found is None:
        return None
    try:
        instant = datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:  # digits that are no date
        return None
    # The fraction of the second is dropped above: one more second is never too early.
    return min(max((instant - now).total_seconds() + 1.0, 1.0), PAUSE_MAX_SECONDS)


def seconds_to_next_day(now: datetime) -> float:
    """Until midnight in California, when Google counts a new day."""
    local = now.astimezone(_pacific())
    midnight = datetime.combine(local.date() + timedelta(days=1), time(), local.tzinfo)
    return (midnight.astimezone(UTC) - now).total_seconds() + 1.0


def _pacific() -> tzinfo:
    try:
        return ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a machine without zone data: UTC's midnight comes first, and then we ask again
        return UTC
