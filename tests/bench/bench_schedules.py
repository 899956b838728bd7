"""How long deciding about schedules takes: next ticks, and a year's outage of a schedule that fires each minute."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime, timedelta

from crmd.due import due_ticks, read_timetable

START = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 5000
EXPRESSIONS = ("* * * * *", "*/15 9-17 * * 1-5", "30 2 * * *", "0 9 * * 1#1", "0 0 1 1 *", "0 0 29 2 *", "every 90s")


def main() -> None:
    """Print microseconds for each kind of schedule."""
    for expression in EXPRESSIONS:
        timetable = read_timetable(expression, "Europe/Zurich")
        began = time.perf_counter()
        tick = START
        for _ in range(ROUNDS):
            tick = START if tick.year > START.year + 100 else timetable.next_after(tick)
        micros = (time.perf_counter() - began) / ROUNDS * 1e6
        sys.stdout.write(f"next tick of {expression:20} {micros:8.1f} us\n")
    minutely = read_timetable("* * * * *", "Europe/Zurich")
    began = time.perf_counter()
    for _ in range(ROUNDS):
        due_ticks(minutely, START, START + timedelta(days=365), "all", 100)
    micros = (time.perf_counter() - began) / ROUNDS * 1e6
    sys.stdout.write(f"a year's outage, 100 of 525,600 ticks {micros:8.1f} us\n")


if __name__ == "__main__":
    main()
