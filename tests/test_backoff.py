from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmd.backoff import Backoff, parse_retry_after
from crmd.errors import UsageError

NOW = datetime(2026, 11, 21, 22, 0, tzinfo=UTC)


def test_delays_double_up_to_the_cap() -> None:
    """Without jitter the delays are first, twice that, and so on, and stay at the cap."""
    backoff = Backoff(first_seconds=5, factor=2, cap_seconds=60)
    assert [backoff.delay_seconds(attempt, 0.0) for attempt in range(1, 8)] == [5, 10, 20, 40, 60, 60, 60]


@settings(deadline=None)
@given(
    attempt=st.integers(-5, 10**9),
    chance=st.floats(0, 1, exclude_max=True),
    first=st.floats(0.001, 3600),
    factor=st.floats(1, 10),
    retry_after=st.none() | st.floats(0, 21600),
)
def test_jitter_only_adds(attempt: int, chance: float, first: float, factor: float, retry_after: float | None) -> None:
    """No delay is shorter than the plain one or than Retry-After, nor longer than the jitter's share allows."""
    backoff = Backoff(first_seconds=first, factor=factor, cap_seconds=3600, jitter=0.5)
    plain = backoff.delay_seconds(attempt, 0.0)
    delay = backoff.delay_seconds(attempt, chance, retry_after_seconds=retry_after)
    assert delay >= max(plain, retry_after or 0)
    assert delay <= max(plain, retry_after or 0) + plain * 0.5
    assert first <= plain <= 3600


def test_retry_after_is_spread_too() -> None:
    """A thousand jobs told to come back in 100 seconds don't come at the same instant, and none comes earlier."""
    backoff = Backoff(first_seconds=10, jitter=0.5)
    delays = {backoff.delay_seconds(1, n / 1000, retry_after_seconds=100) for n in range(1000)}
    assert min(delays) == 100
    assert max(delays) > 104
    assert len(delays) == 1000


@pytest.mark.parametrize(
    "fields",
    [
        {"first_seconds": 0},
        {"first_seconds": -1},
        {"first_seconds": 10, "cap_seconds": 5},
        {"cap_seconds": float("inf")},
        {"first_seconds": float("nan")},
        {"factor": 0.5},
        {"factor": 11},
        {"jitter": -0.1},
        {"jitter": 1.5},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(fields: dict[str, float]) -> None:
    """A backoff that would shrink, run backwards or never end is refused in a sentence."""
    with pytest.raises(UsageError):
        Backoff(**fields)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("120", 120),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("0", 1),
        ("21600", 21600),
        ("21601", 21600),
        ("999999999999999999", 21600),
        ("1" * 65, None),
        ("-5", None),
        ("1e3", None),
        ("nan", None),
        ("inf", None),
        ("٣", None),
        ("soon", None),
        ("Sat, 21 Nov 2026 22:02:00 GMT", 120),
        ("Saturday, 21-Nov-26 22:02:00 GMT", 120),
        ("Sat Nov 21 22:02:00 2026", 120),
        ("Sat, 21 Nov 2026 23:02:00 +0100", 120),
        ("Sat, 21 Nov 2026 21:00:00 GMT", 1),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 21600),
        ("Sat, 99 Nov 2026 22:02:00 GMT", None),
        ("Sat, 21 Nov 2026 22:02:00 +9999", None),
        ("Sat, " + "1 " * 20, None),
    ],
)
def test_retry_after_is_read_or_ignored(value: str | None, seconds: float | None) -> None:
    """Seconds and all three kinds of HTTP date are read, held between 1 second and 6 hours; anything else is None."""
    assert parse_retry_after(value, NOW) == seconds


@settings(deadline=None)
@given(st.text(max_size=80) | st.text(alphabet="satSATnov0123456789:,+- GMT", max_size=64).map("Sat, ".__add__))
def test_no_header_text_raises(text: str) -> None:
    """Whatever a server sends, the answer is None or a wait inside the bounds."""
    seconds = parse_retry_after(text, NOW)
    assert seconds is None or 1 <= seconds <= 21600


@settings(deadline=None)
@given(st.integers(1, 21600))
def test_dates_that_python_writes_come_back(seconds: int) -> None:
    """An HTTP date a number of seconds ahead is read as that number."""
    assert parse_retry_after(format_datetime(NOW + timedelta(seconds=seconds), usegmt=True), NOW) == seconds
