from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from croniter import croniter
from hypothesis import given, settings
from hypothesis import strategies as st

from crmd.crontab import read_crontab
from crmd.errors import UsageError

START = datetime(2026, 1, 1)  # noqa: DTZ001 - a reading of a clock, no instant


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        ("", "has five fields; '' has 0"),
        ("* * * *", "has 4"),
        ("*/10 * * * * *", "has 6"),
        ("* * * * * * 2027", "has 7"),
        ("0 0 30 2 *", "never fires"),
        ("0 0 31 2,4,6,9,11 *", "never fires"),
        ("60 * * * *", "minute field"),
        ("* 24 * * *", "hour field"),
        ("* * 0 * *", "day of the month field"),
        ("* * * 13 *", "month field"),
        ("* * * * 8", "day of the week field"),
        ("*/0 * * * *", "minute field"),
        ("1-2-3 * * * *", "minute field"),
        ("-1 * * * *", "minute field"),
        ("1,,2 * * * *", "minute field"),
        ("R * * * *", "minute field"),
        ("0 0 15W * *", "day of the month field"),
        ("0 0 * * 1#6", "day of the week field"),
        ("0 0 * * 1#2,3", "day of the week field"),
        ("٣ * * * *", "minute field"),
        ("@reboot", "not a schedule"),
        ("@every_minute", "not a schedule"),
        ("* " * 5000, "at most 256 characters"),
    ],
)
def test_what_does_not_fit_is_refused_in_a_sentence(expression: str, sentence: str) -> None:
    """Each expression that is malformed, never fires, or asks for seconds is refused, and the field is named."""
    with pytest.raises(UsageError) as caught:
        read_crontab(expression)
    assert sentence in caught.value.sentence


@settings(max_examples=400, deadline=None)
@given(text=st.text(max_size=60) | st.text(alphabet="0123456789*/,-#?lhr wjanmon()@", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text makes the reader raise anything but UsageError."""
    try:
        crontab = read_crontab(text, spread_id="s")
    except UsageError:
        return
    assert crontab.next_wall(START) > START


@pytest.mark.parametrize("noise", ["-" * 200, "1-" * 100, "*/" * 100, "h(" * 100, "l" * 200, "0," * 100, "#" * 200])
def test_hostile_text_is_refused_without_search(noise: str) -> None:
    """Long runs of what the patterns begin with are refused; the text is capped before any pattern sees it."""
    with pytest.raises(UsageError):
        read_crontab(f"{noise} * * * *")
    with pytest.raises(UsageError):
        read_crontab(noise * 10_000)


@pytest.mark.parametrize(
    "expression",
    [
        "0 0 * * *",
        "*/7 3-9 * * mon-fri",
        "0 0 29 2 *",
        "5 4 31 * *",
        "0 22-2 * * *",
        "0 0 L * *",
        "0 8 * * 2#3",
        "1 1 */9 4 *",
    ],
)
def test_the_walk_agrees_with_croniter_where_no_zone_is_involved(expression: str) -> None:
    """Without a zone, the next 200 readings are croniter's."""
    crontab = read_crontab(expression)
    oracle = croniter(expression, START, ret_type=datetime)
    wall = START
    for _ in range(200):
        wall = crontab.next_wall(wall)
        assert wall == oracle.get_next()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("5-5 * * * *", "5 * * * *"),
        ("0 5-5/2 * * *", "0 5 * * *"),
        ("0 0 * * 7", "0 0 * * 0"),
        ("0 0 * * SUN", "0 0 * * 0"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 0 ? * MON", "0 0 * * 1"),
        ("0 0 * jan-mar *", "0 0 * 1-3 *"),
        ("  0\t0 * * *\n", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@annually", "0 0 1 1 *"),
        ("0 0 * * 5L", "0 0 * * L5"),
    ],
)
def test_spellings_that_mean_the_same(written: str, meant: str) -> None:
    """Names, aliases, spaces, 7 for Sunday and one-value ranges mean what cron users expect."""
    assert read_crontab(written) == read_crontab(meant)


def test_h_is_stable_spread_and_fits_every_month() -> None:
    """`H` gives one id the same slot for ever, different ids different slots, and a day that every month has."""
    crontabs = [read_crontab("H H H * *", spread_id=f"mailbox-{n}") for n in range(200)]
    again = [read_crontab("H H H * *", spread_id=f"mailbox-{n}") for n in range(200)]
    assert crontabs == again
    assert len({(c.minutes, c.hours) for c in crontabs}) > 50
    assert max(max(c.days) for c in crontabs) <= 28


def test_h_with_a_step_is_a_rhythm() -> None:
    """`H/15` fires every 15 minutes from a hashed minute, in elapsed time."""
    crontab = read_crontab("H/15 * * * *", spread_id="a")
    assert crontab.follows_elapsed_time
    assert [b - a for a, b in zip(crontab.minutes, crontab.minutes[1:], strict=False)] == [15, 15, 15]


def test_h_without_an_id_is_refused() -> None:
    """Without a stable id there is nothing to hash, and chance is not allowed to decide."""
    with pytest.raises(UsageError, match="needs an id"):
        read_crontab("H * * * *")


def test_two_restricted_day_fields_mean_either_unless_one_begins_with_a_star() -> None:
    """As in Debian's cron: `13 * 5` fires on each 13th and each Friday; `*/2 * 1` only on odd Mondays."""
    either = read_crontab("0 0 13 * 5")
    assert either.next_wall(datetime(2026, 3, 7)) == datetime(2026, 3, 13)  # noqa: DTZ001 - readings, no instants
    assert either.next_wall(datetime(2026, 4, 11)) == datetime(2026, 4, 13)  # noqa: DTZ001 - the same
    both = read_crontab("0 0 */2 * 1")
    wall = START
    for _ in range(20):
        wall = both.next_wall(wall)
        assert wall.isoweekday() == 1
        assert wall.day % 2 == 1


def test_an_nth_weekday_beside_a_day_of_the_month_means_either() -> None:
    """`0 0 13 * 5#2` fires on the 13th and on the second Friday; croniter alone would drop the 13th."""
    crontab = read_crontab("0 0 13 * 5#2")
    first = crontab.next_wall(datetime(2026, 4, 1))  # noqa: DTZ001 - readings, no instants
    assert [first.day, crontab.next_wall(first).day] == [10, 13]


def test_leap_days_come_on_leap_years() -> None:
    """29 February skips 2100, which has none."""
    crontab = read_crontab("0 0 29 2 *")
    assert crontab.next_wall(datetime(2096, 2, 29)).year == 2104  # noqa: DTZ001 - a reading, no instant


def test_every_minute_is_the_fastest() -> None:
    """No expression fires twice within a minute."""
    assert read_crontab("* * * * *").next_wall(START) - START == timedelta(minutes=1)
