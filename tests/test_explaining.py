from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import explained_jobs
import pytest

from crmd.explaining import Gate, explain
from crmd.store import gates
from crmd.store.explanation import explanation_of

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.explaining import Explanation
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(explained_jobs)
NOW = datetime(2026, 3, 1, 9, tzinfo=UTC)
FACTS: dict[str, Any] = {
    "id": "1", "type": "t", "status": "pending", "queue": "normal", "priority": "normal", "held": None, "lane": None,
    "attempt": 0, "max_attempts": 3, "run_at": NOW.isoformat(), "started_at": None, "expires_at": None,
    "last_error": None, "now": NOW.isoformat(), "due_in": 0.0, "cancel_requested_at": None, "waits_for": None,
    "type_known": True, "plugin": "p", "payload_version": 1, "follows": None, "retried_to": None, "running_on": None,
    "family": None, "effects": None, "quarantine": None, "pauses": [], "running_in_queue": 3, "ahead": 2,
    "daemons": [{"host": "vm", "pid": 1, "is_draining": False, "is_idle": True}],
}  # fmt: skip
KEY: dict[str, Any] = {
    "key": "type:t", "max": 5, "is_local": False, "gate_reason": None, "gate_until": None, "running": 1,
    "holders": None,
}  # fmt: skip


def waiting(found: Explanation) -> list[Gate]:
    """The gates that do not let the job pass."""
    return [gate for gate in found.gates if gate.verdict != "pass"]


def test_a_job_that_nothing_holds_back_can_start_now() -> None:
    """Every gate passes, and the earliest start is now."""
    found = explain(FACTS, [KEY])
    assert waiting(found) == []
    assert found.earliest_start == NOW
    assert [gate.name for gate in found.gates] == ["hold", "time", "type", "daemons", "type:t", "turn"]


@pytest.mark.parametrize(
    ("changed", "name", "words"),
    [
        ({"due_in": 90.0, "run_at": (NOW + timedelta(seconds=90)).isoformat()}, "time", "due in 1 min 30 s"),
        ({"due_in": None, "waits_for": {"event": "deal.won", "until": None}}, "event", "the event deal.won"),
        ({"held": "children", "family": {"total": 9, "pending": 4}}, "hold", "4 of 9 children"),
        ({"held": "after", "waits_for": {"after": ["a", "b", "c", "d"]}}, "hold", "after a, b, c and 1 more"),
        ({"held": "key", "follows": "0198"}, "hold", "follows 0198"),
        ({"held": "reconcile", "effects": [{"kind": "mail", "key": "x"}]}, "hold", "whether mail x took place"),
        ({"held": "unknown", "payload_version": 3}, "hold", "version 3 of its payload"),
        ({"type_known": False}, "type", "no plugin that ever ran here"),
        (
            {"quarantine": {"plugin": "p", "reason": "it crashed", "probe_at": NOW.isoformat()}},
            "quarantine",
            "it crashed",
        ),
        ({"pauses": [{"key": "queue:normal", "reason": "night", "until": None}]}, "queue:normal", "is paused: night"),
        ({"daemons": []}, "daemons", "no daemon works on the queue normal"),
    ],
)
def test_each_gate_says_what_it_waits_for(changed: dict[str, Any], name: str, words: str) -> None:
    """The one gate that waits is named, with its numbers."""
    [gate] = waiting(explain(FACTS | changed, []))
    assert gate.name == name
    assert words in gate.text


def test_the_earliest_start_is_that_of_the_last_gate() -> None:
    """With several known waits it is the latest; with one that nobody knows there is none."""
    later = NOW + timedelta(minutes=5)
    closed = KEY | {"key": "connection/1", "gate_reason": "throttled", "gate_until": later}
    due = FACTS | {"due_in": 60.0, "run_at": (NOW + timedelta(minutes=1)).isoformat()}
    assert explain(due, [closed]).earliest_start == later
    assert explain(due, [closed, KEY | {"running": 5, "holders": []}]).earliest_start is None


def test_an_expired_job_never_starts() -> None:
    """What has expired is told as such, however many other gates wait."""
    found = explain(FACTS | {"expires_at": NOW.isoformat()}, [])
    assert [gate.verdict for gate in waiting(found)] == ["never"]
    assert found.earliest_start is None


async def _explained(workbench: Workbench, job_id: UUID) -> Explanation:
    found = await explanation_of(workbench.everything.pools.plugins, job_id)
    assert found is not None
    return found


async def test_a_full_limit_names_who_holds_it(workbench: Workbench) -> None:
    """A job behind a limit of one is told which job has it; a closed gate is told with its reason and time."""
    first = await workbench.enqueue("takes-turns", {"number": 1})
    second = await workbench.enqueue("takes-turns", {"number": 2})
    await (await workbench.daemon()).claim_job(first.id)
    found = await _explained(workbench, second.id)
    full = next(gate for gate in waiting(found) if gate.name.startswith("type:takes-turns"))
    assert "1 of 1 running" in full.text
    assert [holder["id"] for holder in full.holders] == [str(first.id)]
    pool = workbench.everything.pools.control
    await gates.close(pool, "type:takes-turns", seconds=60.0, reason="the provider asks for a pause")
    closed = next(gate for gate in waiting(await _explained(workbench, second.id)) if gate.name == "type:takes-turns")
    assert "the provider asks for a pause" in closed.text
    assert closed.until is not None


async def test_a_pause_and_a_changed_limit_are_told(workbench: Workbench) -> None:
    """What an operator has changed live is what the explanation goes by."""
    first = await workbench.enqueue("takes-turns", {"number": 1})
    second = await workbench.enqueue("takes-turns", {"number": 2})
    pool = workbench.everything.pools.control
    await pool.fetch("SELECT crmd.tune('type:takes-turns', 'more', 2)")
    await (await workbench.daemon()).claim_job(first.id)
    assert waiting(await _explained(workbench, second.id)) == []
    await pool.fetch("SELECT crmd.pause('type:takes-turns', 'it writes nonsense', 60)")
    found = await _explained(workbench, second.id)
    [paused] = waiting(found)
    assert "it writes nonsense" in paused.text
    assert paused.until is not None
    assert paused.next_step == "`crmd limits resume type:takes-turns` lets it go on."


async def test_a_job_that_is_over_says_how(workbench: Workbench) -> None:
    """A dead letter is told with its error."""
    done = await workbench.run_job("always-dies")
    found = await _explained(workbench, done.id)
    assert found.summary == "It died after its last attempt: ValueError: no luck."
    assert found.gates == []
