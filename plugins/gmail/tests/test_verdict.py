from __future__ import annotations

import time
from datetime import UTC, datetime

import msgspec
import pytest
from crmd_gmail.verdict import PAUSE_MAX_SECONDS, read_verdict, seconds_to_next_day, seconds_told

import crmd

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DATE = {"Date": "Sun, 01 Mar 2026 12:00:00 GMT"}


def body(reason: str = "", message: str = "no", **error: object) -> bytes:
    """Google's error body in its older style."""
    errors = [{"domain": "usageLimits", "reason": reason, "message": message}] if reason else []
    return msgspec.json.encode({"error": {"code": 403, "message": message, "errors": errors, **error}})


@pytest.mark.parametrize("reason", ["rateLimitExceeded", "userRateLimitExceeded"])
def test_rate_limits_by_403(reason: str) -> None:
    """A 403 with the reason of a rate limit is a rate limit."""
    assert read_verdict(403, {}, body(reason)) == crmd.RateLimited(None, "Gmail's rate limit")
    assert read_verdict(403, {"Retry-After": "7"}, body(reason)) == crmd.RateLimited(7.0, "Gmail's rate limit")


def test_newer_style() -> None:
    """The newer style, with `status` and `details` and no `errors`, is read as well."""
    by_status = body(status="RESOURCE_EXHAUSTED")
    by_details = body(status="PERMISSION_DENIED", details=[{"@type": "x", "reason": "RATE_LIMIT_EXCEEDED"}])
    assert isinstance(read_verdict(403, {}, by_status), crmd.RateLimited)
    assert isinstance(read_verdict(403, {}, by_details), crmd.RateLimited)


@pytest.mark.parametrize("reason", ["insufficientPermissions", "domainPolicy", "accessNotConfigured", "forbidden", ""])
def test_refusals_by_403(reason: str) -> None:
    """Any other 403 is final."""
    assert read_verdict(403, {}, body(reason)) == crmd.Final()


def test_429_is_always_a_limit() -> None:
    """A 429 is a rate limit whatever its body says, or if it is no JSON at all."""
    for text in (b"", b"<html>", b"[]", b'{"error": "slow down"}', body("forbidden"), b"[" * 100_000):
        assert isinstance(read_verdict(429, {}, text), crmd.RateLimited)


def test_the_time_in_the_message_is_honoured() -> None:
    """`Retry after <instant>` counts against the server's own clock, and the longer of two pauses wins."""
    text = body("userRateLimitExceeded", "User-rate limit exceeded.  Retry after 2026-03-01T12:00:30.250Z")
    verdict = read_verdict(429, DATE, text)
    assert isinstance(verdict, crmd.RateLimited)
    assert verdict.after_seconds == 31.0
    longer = read_verdict(429, {**DATE, "Retry-After": "50"}, text)
    assert isinstance(longer, crmd.RateLimited)
    assert longer.after_seconds == 50.0


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Retry after 2026-03-01T11:00:00Z", 1.0),
        ("retry after 2027-03-01T12:00:00.000Z", PAUSE_MAX_SECONDS),
        ("Retry after 2026-13-41T99:00:00Z", None),
        ("Retry after tomorrow", None),
        ("Retry after ٢٠٢٦-03-01T12:00:00Z", None),
        ("", None),
    ],
)
def test_told_times_are_bounded(message: str, seconds: float | None) -> None:
    """A time that has passed, is far away or is none doesn't stop a mailbox for ever."""
    assert seconds_told(message, NOW) == seconds


def test_hostile_message_is_linear() -> None:
    """A message made to be slow to search is searched only as far as its bound."""
    started = time.process_time()
    assert seconds_told("retry after 2026-" * 1_000_000, NOW) is None
    assert time.process_time() - started < 5  # not a timing promise: quadratic work would take hours


def test_daily_limit_waits_for_the_next_day() -> None:
    """The quota of a day comes back at midnight in California."""
    verdict = read_verdict(403, DATE, body("dailyLimitExceeded"))
    assert isinstance(verdict, crmd.RateLimited)
    assert verdict.after_seconds == 20 * 3600 + 1
    summer = datetime(2026, 7, 1, 6, 59, tzinfo=UTC)
    assert seconds_to_next_day(summer) == 61


def test_other_answers_mean_what_they_mean_anywhere() -> None:
    """401, 5xx, 404 and 200 are read as for any server."""
    assert read_verdict(401, {}, body("authError")) == crmd.AuthExpired()
    assert isinstance(read_verdict(500, {}, body("backendError")), crmd.Retryable)
    assert isinstance(read_verdict(503, {}, b""), crmd.Retryable)
    assert read_verdict(404, {}, body("notFound")) == crmd.Final()
    assert read_verdict(200, {}, b"{}") == crmd.Final()
