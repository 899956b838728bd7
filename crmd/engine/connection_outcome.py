"""What the ends of jobs say about the connections that they work on. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from crmd.engine.fault_record import message_of
from crmd.outcome import Ended, Requeued

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crmd.engine.run import Run
    from crmd.outcome import Outcome

KEY = "connection/"


def connection_outcomes(batch: Iterable[tuple[Run, Outcome]]) -> dict[tuple[UUID, UUID], str | None]:
    """By workspace and connection: why its newest job failed, or None where that went well.

    A job that waits for a gate, or was stopped, says nothing.
    """
    found: dict[tuple[UUID, UUID], str | None] = {}
    for run, outcome in batch:
        lane, workspace_id = run.row["lane"], run.row["workspace_id"]
        if lane is None or workspace_id is None or KEY not in lane or not _says_something(outcome):
            continue
        fault = outcome.error if isinstance(outcome, Ended | Requeued) else None
        for connection_id in _connections_in(lane):
            found[workspace_id, connection_id] = None if fault is None else message_of(fault)
    return found


def _says_something(outcome: Outcome) -> bool:
    if isinstance(outcome, Ended):
        return outcome.status != "cancelled"
    return isinstance(outcome, Requeued) and outcome.error is not None and not outcome.is_attempt_given_back


def _connections_in(lane: str) -> list[UUID]:
    """Payloads are not ours: a key that holds no id names no connection."""
    ids = []
    for key in lane.split(" "):
        if not key.startswith(KEY):
            continue
        try:
            ids.append(UUID(key.removeprefix(KEY)))
        except ValueError:
            continue
    return ids
