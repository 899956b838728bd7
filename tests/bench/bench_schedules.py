"""How long deciding about schedules takes: next ticks, a year's outage of one that fires each minute, 100,000 rows."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta
from zoneinfo import available_timezones

from crmd.due import due_ticks, read_timetable
from crmd.engine.scheduler import decide

START = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 5000
MANY = 100_000
ZONES = sorted(available_timezones())[:480:20]
EXPRESSIONS = ("* * * * *", "*/15 9-17 * * 1-5", "30 2 * * *", "0 9 * * 1#1", "0 0 1 1 *", "0 0 29 2 *", "every 90s")


def main() -> None:
    """Print microseconds for each kind of schedule."""
    for expression in EXPRESSIONS:
        timetable = read_timetable(expression, "Europe/Zurich")
        began = time.perf_counter()
        tick: datetime | None = START
        for _ in range(ROUNDS):
            tick = START if tick is None or tick.year > START.year + 100 else timetable.next_after(tick)
        micros = (time.perf_counter() - began) / ROUNDS * 1e6
        sys.stdout.write(f"next tick of {expression:20} {micros:8.1f} us\n")
    minutely = read_timetable("* * * * *", "Europe/Zurich")
    began = time.perf_counter()
    for _ in range(ROUNDS):
        due_ticks(minutely, START, START + timedelta(days=365), "all", 100)
    micros = (time.perf_counter() - began) / ROUNDS * 1e6
    sys.stdout.write(f"a year's outage, 100 of 525,600 ticks {micros:8.1f} us\n")
    rows = [_row(number) for number in range(MANY)]
    began = time.perf_counter()
    decided, broken = decide(rows)
    seconds = time.perf_counter() - began
    fired = sum(len(owed.ticks) for _, owed in decided)
    sys.stdout.write(f"{MANY:,} rows of 24 zones, {fired:,} due, {len(broken)} broken {seconds:8.2f} s\n")


def _row(number: int) -> dict[str, object]:
    """A schedule as schedules_due.sql gives it, each handled up to an instant of its own."""
    handled = START + timedelta(seconds=number % 9000)
    return {
        "id": f"digest:{number}",
        "expression": "0 9 * * *",
        "timezone": ZONES[number % len(ZONES)],
        "offset_seconds": 0,
        "catch_up": "last",
        "catch_up_max": 100,
        "has_job_type": True,
        "job_type": "digest",
        "last_due_at": handled,
        "next_due_at": handled,
        "now": START + timedelta(days=1),
    }


if __name__ == "__main__":
    main()
