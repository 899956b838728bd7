from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crmd.cli import diagnosis

FAILOVER: dict[str, Any] = {
    "timeline": 2,
    "seen_at": "2026-01-01T00:00:00+00:00",
    "kept_until": "2025-12-31T23:59:59+00:00",
    "stopped": 3,
    "claims_lost": 0,
    "outcomes_lost": 0,
    "jobs_lost": 0,
    "is_complete": True,
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "version": 180_000,
    "is_standby": False,
    "now": NOW,
    "connections_max": 97,
    "oldest_snapshot_seconds": 0.0,
}
STATUS: dict[str, Any] = {
    "queues": [],
    "running": 0,
    "orphaned": 0,
    "daemons": [{"is_alive": True, "host": "a"}],
    "dead_last_day": [],
    "unknown_types": [],
    "schedules_broken": [],
    "schedules_late": 0,
    "effects_unknown": 0,
    "quarantined": [],
    "connections": [],
}


def of_server(*, latency_seconds: float = 0.001, daemons: int = 1, **changes: object) -> dict[str, str]:
    """State by what it is about."""
    found = diagnosis.of_server(
        {**FACTS, **changes}, here=NOW, latency_seconds=latency_seconds, pool_max=10, daemons=daemons
    )
    return {finding.about: finding.state for finding in found}


def not_well(**changes: object) -> list[tuple[str, str]]:
    """What a status has that is not well."""
    found = diagnosis.of_status({**STATUS, **changes})
    return [(finding.about, finding.state) for finding in found if finding.state != "ok"]


def test_a_good_server_has_nothing_to_mend() -> None:
    """A recent, near server with room and the right time is well."""
    assert set(of_server().values()) == {"ok"}


@pytest.mark.parametrize(
    ("changes", "about", "state"),
    [
        ({"version": 140_011}, "version", "broken"),
        ({"is_standby": True}, "role", "broken"),
        ({"latency_seconds": 0.06}, "latency", "warning"),
        ({"now": NOW + timedelta(seconds=6)}, "clock", "warning"),
        ({"now": NOW - timedelta(seconds=6)}, "clock", "warning"),
        ({"daemons": 6}, "connections", "broken"),
        ({"oldest_snapshot_seconds": 901.0}, "old snapshot", "warning"),
    ],
)
def test_each_weakness_of_a_server_is_found(changes: dict[str, Any], about: str, state: str) -> None:
    """Each figure beyond its bound is a finding, and the only one."""
    found = of_server(**changes)
    assert {name: value for name, value in found.items() if value != "ok"} == {about: state}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"daemons": [{"is_alive": False, "host": "a"}]}, [("daemons", "warning")]),
        ({"dead_last_day": [{"type": "t", "status": "dead", "jobs": 1, "example": "x"}]}, [("dead jobs", "warning")]),
        ({"unknown_types": ["gone"]}, [("job types", "warning")]),
        ({"schedules_broken": [{"id": "a/b", "error": "x"}]}, [("schedules", "broken")]),
        ({"schedules_late": 2}, [("schedules", "warning")]),
        ({"effects_unknown": 3}, [("effects", "warning")]),
        ({"quarantined": [{"plugin": "p", "reason": "killed by SIGSEGV"}]}, [("quarantine", "broken")]),
    ],
)
def test_each_trouble_of_the_engine_is_found(changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Dead daemons and jobs, types without a plugin and schedules that fail are named."""
    assert not_well(**changes) == expected


@pytest.mark.parametrize(
    ("state", "expected", "fix"),
    [
        ("active", "ok", ""),
        ("throttled", "ok", ""),
        ("needs_reauth", "broken", "crmd connections add google --workspace w --account a@b.example"),
        ("disabled", "warning", "crmd connections enable c"),
    ],
)
def test_a_connection_is_told_with_what_mends_it(state: str, expected: str, fix: str) -> None:
    """The fix of a connection is the command to type."""
    account = {"id": "c", "workspace_id": "w", "provider": "google", "account": "a@b.example", "state": state}
    row = {**account, "last_error": "revoked", "synced_seconds": 60}
    [finding] = diagnosis.of_connections({"connections": [row]})
    assert finding.state == expected
    assert fix in finding.fix


def test_a_disk_that_fills_is_told_in_time() -> None:
    """Two GiB are a warning, a quarter of one is broken."""
    states = [diagnosis.of_disk("/", size * 1024**2).state for size in (3000, 1000, 100)]
    assert states == ["ok", "warning", "broken"]


@pytest.mark.parametrize(
    ("changes", "state", "word"),
    [
        ({}, "ok", "3 jobs began again, nothing"),
        ({"claims_lost": 1, "outcomes_lost": 2}, "warning", "lost are 1 claims, 2 outcomes and 0 jobs."),
        ({"jobs_lost": 1, "is_complete": False}, "warning", "and what came before them"),
    ],
)
def test_a_failover_is_told_for_what_it_cost(changes: dict[str, Any], state: str, word: str) -> None:
    """Nothing lost is well; what was lost is counted, with the time from which on to look for more."""
    [finding] = diagnosis.of_failovers({"failovers": [{**FAILOVER, **changes}]})
    assert finding.state == state
    assert word in finding.found
    assert ("2025-12-31T23:59:59" in finding.fix) == (state == "warning")


@pytest.mark.parametrize(
    ("changes", "states"),
    [
        ({"is_pooled": False}, []),
        ({"has_cache": True}, ["broken"]),
        ({}, ["ok"]),
        ({"has_direct": False}, ["warning"]),
        ({"has_direct": False, "is_bounded": False}, ["warning", "warning"]),
    ],
)
def test_a_pooler_is_noticed(changes: dict[str, bool], states: list[str]) -> None:
    """What does not work behind one is broken, what works less well is a warning, no pooler is no finding."""
    usual = {"is_pooled": True, "has_cache": False, "has_direct": True, "is_bounded": True}
    assert [finding.state for finding in diagnosis.of_pooler(**{**usual, **changes})] == states
