"""A year of schedules in many zones, on simulated daemons that look seldom, crash, and don't wait for each other.

What is due is decided by the real code. Rows are read without a lock, which is worse than any database does: all that
keeps a tick from firing twice is its row, and all that keeps it from being missed is that ticks and rows are written
together.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim

from crmd.engine.scheduler import decide

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=365)
ZONES = (
    "America/New_York", "America/Los_Angeles", "America/Sao_Paulo", "America/St_Johns", "America/Havana",
    "Europe/London", "Europe/Zurich", "Europe/Chisinau", "Africa/Casablanca", "Africa/Cairo", "Asia/Tehran",
    "Asia/Kathmandu", "Asia/Beirut", "Asia/Gaza", "Australia/Lord_Howe", "Australia/Adelaide", "Pacific/Auckland",
    "Pacific/Chatham", "Pacific/Apia", "UTC",
)  # fmt: skip
EXPRESSIONS = ("30 2 * * *", "30 1 * * *", "0 0 * * *", "15 6,18 * * *", "0 9 1 * *", "5 3 * * 0")

Row = dict[str, Any]
Slot = tuple[str, datetime]


class Schedules:
    """The tables of schedules and ticks.

    Args:
        chance: Chooses what is scheduled.
        is_unique: Whether a slot has one row.
    """

    def __init__(self, chance: random.Random, *, is_unique: bool) -> None:
        self._is_unique = is_unique
        self.fired: list[Slot] = []
        self.rows: dict[str, Row] = {}
        for number, zone in enumerate(ZONES):
            times = {"expression": chance.choice(EXPRESSIONS), "timezone": zone}
            self.rows[f"s{number}"] = {
                "id": f"s{number}", **times, "offset_seconds": 0.0, "catch_up": "all", "catch_up_max": 1000,
                "spread_seconds": 0, "last_due_at": START, "last_tick_at": None, "next_due_at": START,
                "has_job_type": True, "job_type": "any",
            }  # fmt: skip

    def due(self, now: datetime) -> list[Row]:
        """As schedules_due.sql reads them."""
        return [{**row, "now": now} for row in self.rows.values() if row["next_due_at"] <= now]

    def commit(self, read: list[Row]) -> None:
        """Slots and rows in one transaction, as schedules_fire.sql and schedules_advance.sql write them."""
        decided, broken = decide(read)
        assert broken == []
        known = set(self.fired) if self._is_unique else set()
        for row, owed in decided:
            self.fired += [(row["id"], tick) for tick in owed.ticks if (row["id"], tick) not in known]
            self.rows[row["id"]] |= {"last_due_at": owed.last_due_at, "next_due_at": owed.next_due_at}


def year(seed: int, *, is_unique: bool = True) -> Schedules:
    """A year of looks: some crash before they commit, some are overtaken, some see a clock that has gone back."""
    chance = random.Random(seed)  # noqa: S311 - to be repeated
    schedules = Schedules(chance, is_unique=is_unique)
    now, late = START, None
    while now < END:
        now = min(now + timedelta(hours=chance.expovariate(1 / 16), days=chance.choice((0,) * 40 + (4,))), END)
        read = schedules.due(now - timedelta(hours=chance.choice((0, 0, 0, 0, 3))))
        if late is not None:
            schedules.commit(late)
            late = None
        match chance.choice(("commit", "commit", "commit", "crash", "stand still")):
            case "commit":
                schedules.commit(read)
            case "stand still":
                late = read
    schedules.commit(schedules.due(END))
    return schedules


def wanted(schedules: Schedules) -> set[Slot]:
    """What cronsim, another implementation, has in the year."""
    slots = set()
    for row in schedules.rows.values():
        ticks = (
            tick.astimezone(UTC) for tick in CronSim(row["expression"], START.astimezone(ZoneInfo(row["timezone"])))
        )
        slots |= {(row["id"], tick) for tick in takewhile(END.__ge__, ticks)}
    return slots


@pytest.mark.parametrize("seed", range(3))
def test_a_year_under_crashes_fires_each_tick_once(seed: int) -> None:
    """Twenty zones with their changes of the clock: each tick of the year fires once, and none is missed."""
    schedules = year(seed)
    assert len(schedules.fired) == len(set(schedules.fired))
    assert set(schedules.fired) ^ wanted(schedules) == set()


def test_without_the_row_of_a_slot_ticks_double() -> None:
    """It is the unique row of a slot that keeps two daemons from firing it, not their manners."""
    schedules = year(0, is_unique=False)
    assert len(schedules.fired) > len(set(schedules.fired))
