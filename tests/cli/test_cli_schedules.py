"""`crmd schedules`, as people type it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_a_schedule_is_made_shown_and_removed(crmd: Run) -> None:
    """What is made at run time is listed with its zone, told with its next ticks, changed by its name, and removed."""
    made = crmd("schedules", "add", "digest", "trial-greet", "0 9 * * 1-5", "--timezone", "Asia/Tokyo",
                "--workspace", "acme", "--payload", '{"count": 2}', "--spread", "10m", "--json").json  # fmt: skip
    assert made["id"].endswith("/digest")
    assert [row["id"] for row in crmd("schedules", "--workspace", "acme", "--json").json] == [made["id"]]
    shown = crmd("schedules", "show", made["id"], "--json").json
    assert (shown["payload"], shown["spread_seconds"], len(shown["next_ticks"])) == ({"count": 2}, 600, 3)
    ticks = crmd("schedules", "next", made["id"], "-n", "6", "--json").json
    assert all(tick["local"].endswith("09:00:00 JST") for tick in ticks)
    assert {tick["due_at"][11:19] for tick in ticks} == {"00:00:00"}
    assert {tick["local"][:3] for tick in ticks} == {"Mon", "Tue", "Wed", "Thu", "Fri"}
    assert crmd("schedules", "remove", made["id"]).code == 0
    assert crmd("schedules", "show", made["id"]).code == 2


def test_once_before_an_instant(crmd: Run) -> None:
    """`at` with --before has one tick, so long before its time."""
    crmd("schedules", "add", "reminder", "trial-greet", "at 2099-03-01T09:00", "--timezone", "UTC", "--before", "1h")
    [tick] = crmd("schedules", "next", "reminder", "--json").json
    assert tick["due_at"].startswith("2099-03-01T08:00:00")


def test_a_plugins_schedule_is_not_removed(crmd: Run) -> None:
    """What a plugin declares can be paused, not removed; the hint says how."""
    crmd("migrate")
    refused = crmd("schedules", "remove", "trial/trial-greet")
    assert refused.code == 2
    assert "is declared by a plugin" in refused.err
    assert "Pause it" in refused.err


def test_a_window_is_backfilled_once(crmd: Run) -> None:
    """The dry run fires nothing; the run fires each tick between the bounds, and a second one none of them."""
    crmd("schedules", "add", "hourly", "trial-greet", "0 * * * *")
    end = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    window = ("backfill", "hourly", "--from", (end - timedelta(hours=4)).isoformat(), "--to", end.isoformat())
    told = crmd("schedules", *window, "--dry-run", "--json").json
    wanted = [(end - timedelta(hours=hours)).isoformat().replace("+00:00", "Z") for hours in (3, 2, 1)]
    assert [(row["due_at"], row["answer"]) for row in told] == [(tick, "would fire") for tick in wanted]
    assert crmd("jobs", "--json").json == []
    assert [row["answer"] for row in crmd("schedules", *window, "--json").json] == ["fired"] * 3
    assert len(crmd("jobs", "--json").json) == 3
    again = crmd("schedules", *window, "--json").json
    assert [row["answer"] for row in again] == ["fired already"] * 3
    assert len(crmd("jobs", "--json").json) == 3
    crmd("schedules", "pause", "hourly")
    trail = crmd("audit", "--target", "hourly", "--json").json
    assert [row["action"] for row in trail] == [
        "schedules.pause", "schedules.backfill", "schedules.backfill", "schedules.add"
    ]  # fmt: skip


def test_a_window_that_does_not_fit_is_refused(crmd: Run) -> None:
    """Windows that reach ahead, lie behind the kept proofs, are the wrong way round or hold too much are refused."""
    crmd("schedules", "add", "often", "trial-greet", "* * * * *")
    now = datetime.now(UTC)
    for start, end, sentence in (
        (now - timedelta(hours=1), now + timedelta(hours=1), "reaches into the future"),
        (now - timedelta(days=90), now, "more than 30 days ago"),
        (now, now - timedelta(hours=1), "ends before it begins"),
        (now - timedelta(days=2), now - timedelta(hours=1), "more than 1,000 ticks"),
    ):
        answer = crmd("schedules", "backfill", "often", "--from", start.isoformat(), "--to", end.isoformat())
        assert answer.code == 2
        assert sentence in answer.err
    assert crmd("jobs", "--json").json == []


def test_what_is_typed_wrong_is_told(crmd: Run) -> None:
    """Unknown jobs, times that are none and payloads that do not fit end with a sentence each."""
    for words, sentence in (
        (("x", "trial-gret", "@daily"), "There is no job type"),
        (("x", "trial-greet", "whenever"), "five fields"),
        (("x", "trial-greet", "at noon"), "is no time"),
        (("x", "trial-greet", "@daily", "--before", "1h"), "Only what fires once"),
        (("x y", "trial-greet", "@daily"), "is no name for a schedule"),
        (("x", "trial-greet", "@daily", "--payload", '{"nonsense": 1}'), "does not fit"),
    ):
        answer = crmd("schedules", "add", *words)
        assert answer.code == 2
        assert sentence in answer.err
