"""What needs a person now, out of how the engine stands. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
from msgspec import Meta

from crmd.telling import span_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Kind = Literal[
    "daemons",
    "dead",
    "queues",
    "schedules",
    "connections",
    "gates",
    "plugins",
    "jobs",
    "effects",
    "events",
    "failovers",
]
DUE_SECONDS_MAX = 300
SHOWN = 5


class Want(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that somebody should look at."""

    kind: Annotated[Kind, Meta(description="where to look")]
    severity: Literal["bad", "warning"]
    text: Annotated[str, Meta(description="one sentence")]
    next_step: str = ""
    target: Annotated[str | None, Meta(description="id or name of what it is about")] = None


def wants_of(status: Mapping[str, Any], trouble: Mapping[str, int]) -> list[Want]:
    """The worst first.

    Args:
        status: Of overview_status.sql.
        trouble: `hour`: dead and failed jobs of the last hour; `day`: of the last 24, less what was run again.
    """
    found = [want for look in _LOOKS for want in look(status)]
    found += list(_dead(status, trouble))
    return sorted(found, key=lambda want: want.severity != "bad")


def _daemons(status: Mapping[str, Any]) -> Iterator[Want]:
    alive = [one for one in status["daemons"] if one["is_alive"]]
    if not alive:
        yield Want(kind="daemons", severity="bad", text="No daemon is alive, so no job runs.", next_step="Start one.")
    elif status["orphaned"]:
        text = f"{_count(status['orphaned'], 'job')} ran on a daemon that is gone; another takes them back."
        yield Want(kind="daemons", severity="warning", text=text)
    for one in status["failovers"]:
        lost = one["claims_lost"] + one["outcomes_lost"] + one["jobs_lost"]
        if lost:
            text = f"The failover to timeline {one['timeline']} lost {lost} claims, outcomes or jobs."
            yield Want(kind="failovers", severity="bad", text=text, next_step="See crmd.failover for their ids.")


def _queues(status: Mapping[str, Any]) -> Iterator[Want]:
    for queue in status["queues"]:
        if queue["oldest_due_seconds"] > DUE_SECONDS_MAX:
            waits = span_text(queue["oldest_due_seconds"])
            text = f"{_count(queue['due'], 'job')} of {queue['queue']} are due, the oldest for {waits}."
            yield Want(kind="queues", severity="warning", text=text, target=queue["queue"],
                       next_step="Look whether it is paused, or give it more room.")  # fmt: skip


def _schedules(status: Mapping[str, Any]) -> Iterator[Want]:
    for one in status["schedules_broken"][:SHOWN]:
        text = f"The schedule {one['id']} is set aside: {one['error']}"
        yield Want(kind="schedules", severity="bad", text=text, target=one["id"], next_step="Mend its expression.")
    if status["schedules_late"]:
        text = f"{_count(status['schedules_late'], 'schedule')} are more than five minutes late."
        yield Want(kind="schedules", severity="warning", text=text, next_step="Look at the daemons' logs.")


def _connections(status: Mapping[str, Any]) -> Iterator[Want]:
    lost = [one for one in status["connections"] if one["state"] == "needs_reauth"]
    for one in lost[:SHOWN]:
        text = f"{one['account']} at {one['provider']} needs a new consent; its jobs wait."
        yield Want(
            kind="connections", severity="bad", text=text, target=one["id"], next_step="Let its user consent again."
        )
    if len(lost) > SHOWN:
        text = f"{len(lost) - SHOWN} more connections need a new consent."
        yield Want(kind="connections", severity="bad", text=text)
    others = status["gates_closed"] - len(lost)
    if others > 0:
        yield Want(kind="gates", severity="warning", text=f"{_count(others, 'gate')} closed: jobs wait behind.")


def _plugins(status: Mapping[str, Any]) -> Iterator[Want]:
    for one in status["quarantined"]:
        text = f"The plugin {one['plugin']} is quarantined, since its jobs crash: {one['reason']}"
        step = "Mend it and install the new version."
        yield Want(kind="plugins", severity="bad", text=text, target=one["plugin"], next_step=step)
    for name in status["unknown_types"][:SHOWN]:
        text = f"Jobs of {name} wait, and no daemon knows that type."
        step = "Enable its plugin, or cancel the jobs."
        yield Want(kind="jobs", severity="bad", text=text, target=name, next_step=step)


def _others(status: Mapping[str, Any]) -> Iterator[Want]:
    if status["suspects"]:
        text = f"{_count(status['suspects'], 'job')} ran when a daemon died; they run again one by one."
        yield Want(kind="jobs", severity="warning", text=text)
    if status["effects_unknown"]:
        text = f"Of {_count(status['effects_unknown'], 'effect')} nobody knows whether they took place."
        yield Want(kind="effects", severity="bad", text=text, next_step="See `crmd effects list --unknown`.")
    for one in status["projections_stalled"][:SHOWN]:
        text = f"The projection {one['name']} stands still: {one['error']}"
        yield Want(kind="events", severity="bad", text=text, target=one["name"], next_step="Mend its plugin.")


def _dead(status: Mapping[str, Any], trouble: Mapping[str, int]) -> Iterator[Want]:
    if not trouble["day"]:
        return
    hour = min(trouble["hour"], trouble["day"])  # the former holds those that were run again since, too
    usual = (trouble["day"] - hour) / 23
    is_rising = hour >= max(3, 2 * usual)
    span = "the last hour" if hour == trouble["day"] else "24 hours"
    rising = f", {hour:,} of them within the last hour" if is_rising and hour < trouble["day"] else ""
    worst: Sequence[Mapping[str, Any]] = status["dead_last_day"]
    most = f"; most of {worst[0]['type']}" if worst else ""
    yield Want(
        kind="dead",
        severity="bad" if is_rising else "warning",
        text=f"{_count(trouble['day'], 'job')} failed or died within {span}{rising}{most}.",
        next_step="Look at their causes, mend them, and redrive.",
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


_LOOKS = (_daemons, _plugins, _connections, _queues, _schedules, _others)
