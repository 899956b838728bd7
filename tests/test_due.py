from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmd.due import due_ticks, due_together, read_timetable, spread_delay, ticks_between
from crmd.errors import UsageError
from crmd.interval import Every, read_every

if TYPE_CHECKING:
    from crmd.model import CatchUp

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
CATCH_UPS: tuple[CatchUp, ...] = ("skip", "last", "all")
HOURLY = read_timetable("0 * * * *")


def hours(*counts: float) -> tuple[datetime, ...]:
    """Instants so many hours after noon."""
    return tuple(NOON + timedelta(hours=count) for count in counts)


def test_nothing_is_due_before_the_next_tick() -> None:
    """Between two ticks nothing fires, and the next look is at the next tick."""
    decision = due_ticks(HOURLY, NOON, NOON + timedelta(minutes=59), "last", 1)
    assert (decision.ticks, decision.last_due_at, decision.next_due_at) == ((), NOON, hours(1)[0])


def test_a_tick_is_due_at_its_own_instant() -> None:
    """A tick fires at the very instant it names, once, and becomes the handled slot."""
    decision = due_ticks(HOURLY, NOON, hours(1)[0], "last", 1)
    assert decision.ticks == hours(1)
    assert due_ticks(HOURLY, decision.last_due_at, hours(1)[0], "last", 1).ticks == ()
    assert decision.next_due_at == hours(2)[0]


@pytest.mark.parametrize(
    ("catch_up", "most", "late_minutes", "fired"),
    [
        ("skip", 10, 30, ()),
        ("skip", 10, 1, hours(6)),
        ("last", 10, 30, hours(6)),
        ("all", 3, 30, hours(4, 5, 6)),
        ("all", 10, 30, hours(1, 2, 3, 4, 5, 6)),
    ],
)
def test_an_outage_of_six_hours(catch_up: CatchUp, most: int, late_minutes: int, fired: tuple[datetime, ...]) -> None:
    """After six missed ticks each policy fires exactly what it promises, and none is looked at again."""
    now = hours(6)[0] + timedelta(minutes=late_minutes)
    decision = due_ticks(HOURLY, NOON, now, catch_up, most)
    assert decision.ticks == fired
    assert decision.last_due_at == hours(6)[0]
    assert due_ticks(HOURLY, decision.last_due_at, now, catch_up, most).ticks == ()


def test_a_clock_that_goes_back_fires_nothing_again() -> None:
    """An hour back, and nothing that was handled is due: the next tick stays the one after the handled slot."""
    decision = due_ticks(HOURLY, hours(3)[0], hours(2)[0], "last", 1)
    assert (decision.ticks, decision.last_due_at, decision.next_due_at) == ((), hours(3)[0], hours(4)[0])


@settings(max_examples=200, deadline=None)
@given(
    text=st.sampled_from(["*/5 * * * *", "30 1 * * *", "0 9 * * 1-5", "@every 7m", "@every 1s"]),
    steps=st.lists(st.integers(-4000, 40000), min_size=1, max_size=15),
    catch_up=st.sampled_from(CATCH_UPS),
)
def test_no_walk_of_the_clock_fires_a_slot_twice(text: str, steps: list[int], catch_up: CatchUp) -> None:
    """Over any forward and backward steps of the clock each slot fires at most once, oldest first, never early."""
    schedule = read_timetable(text, "America/New_York")
    now = last = datetime(2026, 10, 31, 20, tzinfo=UTC)
    fired: list[datetime] = []
    for seconds in steps:
        now += timedelta(seconds=seconds)
        decision = due_ticks(schedule, last, now, catch_up, 50)
        assert all(last < tick <= now for tick in decision.ticks)
        assert decision.next_due_at is not None
        assert decision.next_due_at > max(now, decision.last_due_at)
        fired += decision.ticks
        last = decision.last_due_at
    assert fired == sorted(set(fired))


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("text", ["*/30 * * * *", "15 * * * *", "30 1,2 * * *", "@every 25m"])
def test_a_year_of_polling_fires_every_tick_once(text: str, zone: str) -> None:
    """A year on an injected clock, polled at odd moments, fires each tick of the schedule once, in order."""
    schedule = read_timetable(text, zone)
    start = now = last = datetime(2026, 1, 1, tzinfo=UTC)
    until = start + timedelta(days=365)
    fired: list[datetime] = []
    while now < until:
        decision = due_ticks(schedule, last, now, "all", 100)
        fired += decision.ticks
        assert decision.next_due_at is not None
        last, now = decision.last_due_at, decision.next_due_at + timedelta(seconds=len(fired) % 4000)
    tick, wanted = schedule.next_after(start), []
    while tick is not None and tick <= last:
        wanted.append(tick)
        tick = schedule.next_after(tick)
    assert fired == wanted


class _Counting:
    """Counts how often it is asked, and gives up on a search that walks."""

    def __init__(self, text: str) -> None:
        self.calls = 0
        self._timetable = read_timetable(text)

    def next_after(self, instant: datetime) -> datetime | None:
        """The next tick."""
        self.calls += 1
        assert self.calls < 200
        return self._timetable.next_after(instant)


@pytest.mark.parametrize("text", ["* * * * *", "0 3 * * *", "0 0 1 6 *", "* 3 * * 1"])
def test_a_long_outage_costs_few_steps(text: str) -> None:
    """Three years of missed ticks are decided without walking through them, whatever lies between two ticks."""
    counting = _Counting(text)
    decision = due_ticks(counting, NOON - timedelta(days=3 * 365), NOON, "last", 1)
    assert len(decision.ticks) == 1
    following = counting.next_after(decision.ticks[0])
    assert following is not None
    assert following > NOON


@settings(max_examples=100, deadline=None)
@given(
    text=st.sampled_from(["*/5 * * * *", "30 1 * * *", "0 9 * * 1-5", "@every 7m", "at 2026-06-01T10:00Z"]),
    minutes=st.lists(st.integers(-100_000, 2_000), min_size=1, max_size=9),
    catch_up=st.sampled_from(CATCH_UPS),
    most=st.integers(1, 40),
)
def test_schedules_decided_together_are_decided_as_each_alone(
    text: str, minutes: list[int], catch_up: CatchUp, most: int
) -> None:
    """Whatever each has handled, from months ago to ahead of the clock, walking the calendar once changes nothing."""
    timetable = read_timetable(text, "America/New_York")
    handled = [NOON + timedelta(minutes=count) for count in minutes]
    together = due_together(timetable, handled, NOON, catch_up, most)
    assert together == [due_ticks(timetable, one, NOON, catch_up, most) for one in handled]


def test_a_window_excludes_its_bounds_and_is_limited() -> None:
    """A window holds the ticks strictly between its bounds; more than the limit are refused, not cut."""
    assert ticks_between(HOURLY, NOON, hours(4)[0], 3) == list(hours(1, 2, 3))
    with pytest.raises(UsageError, match="more than 2 ticks"):
        ticks_between(HOURLY, NOON, hours(4)[0], 2)
    assert ticks_between(read_timetable("at 2026-06-01T13:00Z"), NOON, hours(4)[0], 5) == list(hours(1))


def test_catching_up_is_bounded() -> None:
    """More than 1,000 ticks at once, or none, is refused in a sentence."""
    for most in (0, 1001):
        with pytest.raises(UsageError, match="catches up 1 to 1000"):
            due_ticks(HOURLY, NOON, NOON, "all", most)


def test_spread_is_stable_and_even() -> None:
    """An id's delay never changes, lies inside the window, and a thousand ids fill it."""
    delays = [spread_delay(f"schedule-{n}", 600) for n in range(1000)]
    assert delays == [spread_delay(f"schedule-{n}", 600) for n in range(1000)]
    assert all(timedelta(0) <= delay < timedelta(seconds=600) for delay in delays)
    tenths = [sum(1 for delay in delays if int(delay.total_seconds() // 60) == tenth) for tenth in range(10)]
    assert min(tenths) > 60
    assert spread_delay("any", 0) == timedelta(0)


def test_intervals_are_counted_from_their_anchor() -> None:
    """The instants of an interval depend on the anchor alone, not on when anybody asked."""
    every = Every(90, anchor_at=NOON)
    assert every.next_after(NOON) == NOON + timedelta(seconds=90)
    assert every.next_after(NOON + timedelta(seconds=89, microseconds=999_999)) == NOON + timedelta(seconds=90)
    assert every.next_after(NOON - timedelta(seconds=1)) == NOON
    assert Every(3600).next_after(NOON) == hours(1)[0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("every 90s", 90),
        ("@every 90s", 90),
        ("@every 15m", 900),
        ("@every 1h30m", 5400),
        ("@EVERY 1d", 86400),
        ("@every 1h 5s", 3605),
    ],
)
def test_intervals_are_read(text: str, seconds: int) -> None:
    """`every` takes days, hours, minutes and seconds."""
    assert read_timetable(text) == Every(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "@every",
        "@every 0s",
        "@every -5m",
        "@every 5",
        "@every 1w",
        "@every 367d",
        "@every 1.5h",
        "@every " + "1h" * 9999,
    ],
)
def test_an_interval_that_does_not_fit_is_refused(text: str) -> None:
    """Zero, negative, unitless, endless or hostile intervals are refused in a sentence."""
    with pytest.raises(UsageError):
        read_every(text)
