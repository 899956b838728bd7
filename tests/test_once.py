from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmd.due import due_ticks, read_timetable
from crmd.errors import UsageError
from crmd.model import At, CatchUp
from crmd.once import Once, read_once, text_of

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("text", "zone", "offset_seconds", "tick"),
    [
        ("at 2026-06-01T12:00Z", "UTC", 0, NOON),
        ("AT 2026-06-01t14:00:00+02:00", "Asia/Tokyo", 0, NOON),
        ("at 2026-06-01 14:00", "Europe/Zurich", 0, NOON),
        ("at 2026-06-01T14:00:00.000000", "Europe/Zurich", -3600, NOON - HOUR),
        ("at 2026-03-29T02:30", "Europe/Zurich", 0, datetime(2026, 3, 29, 1, tzinfo=UTC)),  # skipped: the gap's end
        ("at 2026-10-25T02:30", "Europe/Zurich", 0, datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # twice: the first
        ("at 2026-03-29T03:30", "Europe/Zurich", -3600, datetime(2026, 3, 29, 0, 30, tzinfo=UTC)),  # elapsed time
        ("at 2011-12-30T12:00", "Pacific/Apia", 0, datetime(2011, 12, 30, 10, tzinfo=UTC)),  # a day that never was
    ],
)
def test_a_time_is_read(text: str, zone: str, offset_seconds: int, tick: datetime) -> None:
    """An instant, or a reading of a zone's clock by the rule for changes, and an offset of elapsed time."""
    once = read_timetable(text, zone, offset_seconds=offset_seconds)
    assert once.next_after(tick - timedelta(microseconds=1)) == tick
    assert once.next_after(tick) is None


@pytest.mark.parametrize(
    "text",
    [
        "at", "at ", "at noon", "at 2026-13-01T00:00", "at 2026-02-30T00:00", "at 2026-06-01T12:00+99:99",
        "at 9999-12-31", "at 0001-01-01T00:00+14:00", "at 0001-01-01T00:00Z", "at 2026-06-01T24:01",
        "at " + "2" * 100_000, "at 2026-06-01T12:00" + " " * 99_999 + "x", "at \uff12\uff10\uff12\uff16-06-01T12:00",
        "at 2026-06-01T12:00\n* * * * *",
    ],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    """Nonsense, days that do not exist, the ends of the calendar and hostile text are refused in a sentence."""
    with pytest.raises(UsageError) as refused:
        read_once(text, "Europe/Zurich", offset_seconds=-60)
    assert len(str(refused.value)) < 300


def test_an_offset_needs_a_time() -> None:
    """Only what fires once has an offset, and at most a leap year of it."""
    with pytest.raises(UsageError, match="Only what fires once"):
        read_timetable("@daily", offset_seconds=60)
    with pytest.raises(UsageError, match="366 days"):
        read_once("at 2026-06-01T12:00Z", offset_seconds=-367 * 86400)


@given(at=st.datetimes(min_value=datetime(1970, 1, 2), max_value=datetime(2100, 1, 1)))  # noqa: DTZ001 - readings
def test_a_time_is_written_as_it_is_read(at: datetime) -> None:
    """What `At` holds survives its way through the text of an expression, as instant and as reading."""
    assert read_once(text_of(At(at=at.replace(tzinfo=UTC)))).tick == at.replace(tzinfo=UTC)
    assert read_once(text_of(At(at=at)), "UTC").tick == at.replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("offset", "handled", "now", "catch_up", "is_fired"),
    [
        (0, -2, 0, "last", True),  # it fell due
        (0, -2, 5, "last", True),  # it fell due while no daemon ran
        (0, -2, 5, "skip", False),
        (0, 1, 1, "last", False),  # it was past when it was made
        (-1, -0.5, -0.5, "last", True),  # an hour before, made half an hour before
        (-1, -0.5, -0.5, "skip", False),
        (-1, 0.5, 0.5, "last", False),  # its subject was past as well
        (2, 3, 3, "last", False),  # two hours after, made three hours after
        (2, 1, 3, "last", True),
    ],
)
def test_when_a_time_has_passed(offset: int, handled: float, now: float, catch_up: CatchUp, is_fired: bool) -> None:  # noqa: FBT001 - a table's column
    """It fires if it fell due since it was made, or if it was past by then and its subject is still ahead."""
    once = Once(NOON, offset * HOUR)
    decided = due_ticks(once, NOON + handled * HOUR, NOON + now * HOUR, catch_up, 1)
    assert decided.ticks == ((once.tick,) if is_fired else ())
    assert decided.next_due_at is None


@settings(max_examples=200, deadline=None)
@given(
    offset=st.integers(-5000, 5000),
    made=st.integers(-9000, 9000),
    steps=st.lists(st.integers(-3000, 6000), min_size=1, max_size=12),
)
def test_no_walk_of_the_clock_fires_it_twice_or_early(offset: int, made: int, steps: list[int]) -> None:
    """Over any steps of the clock it fires at most once, and not before both its tick and its making."""
    once = Once(NOON, timedelta(seconds=offset))
    now = handled = NOON + timedelta(seconds=made)
    fired = 0
    for seconds in (0, *steps):
        now += timedelta(seconds=seconds)
        decided = due_ticks(once, handled, now, "last", 1)
        fired += len(decided.ticks)
        assert not decided.ticks or max(handled, now) >= once.tick
        if decided.next_due_at is None:
            break
        assert decided.next_due_at == once.tick > now
        handled = decided.last_due_at
    assert fired <= 1
