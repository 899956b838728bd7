"""What is wrong in the figures of the fleet. Pure; no name from a customer's data is in any sentence."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, TypeAlias

from crmd.stored_text import clean_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crmd.config.alert_settings import Alerts
    from crmd.store.figures import Fleet

Kind: TypeAlias = Literal[
    "dead", "failing", "waiting", "unserved", "schedule", "connection", "daemon", "quarantine", "effect"
]
NAME_MAX = 100
# Of one kind so many faults are told apart, the worst ones.
FAULTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that needs a person.

    Attributes:
        key: The same as long as it is the same fault, as `dead/sync-mail`.
        kind: Of fault.
        sentence: What is wrong, with figures.
        hint: What to look at first.
    """

    key: str
    kind: Kind
    sentence: str
    hint: str


def faults_of(fleet: Fleet, settings: Alerts) -> list[Fault]:
    """All that is wrong now; of each kind the worst."""
    return [
        *_dead(fleet, settings),
        *_failing(fleet, settings),
        *_waiting(fleet, settings),
        *_schedules(fleet),
        *_connections(fleet),
        *_daemons(fleet),
        *_others(fleet),
    ]


def _dead(fleet: Fleet, settings: Alerts) -> Iterator[Fault]:
    dead = [one for one in fleet.trouble if one.status == "dead" and one.jobs >= settings.dead_jobs]
    for one in sorted(dead, key=attrgetter("jobs"), reverse=True)[:FAULTS_MAX]:
        name = _name(one.type)
        sentence = f"{_jobs(one.jobs)} of the type {name} died within a day."
        yield Fault(f"dead/{name}", "dead", sentence, f"crmd dead list --type {name}")


def _failing(fleet: Fleet, settings: Alerts) -> Iterator[Fault]:
    failing = dict(fleet.retrying)
    for one in fleet.trouble:
        if one.status == "failed":
            failing[one.type] = failing.get(one.type, 0) + one.last_hour
    worst = sorted(failing.items(), key=lambda item: -item[1])[:FAULTS_MAX]
    for type_name, count in worst:
        if count >= settings.failing_jobs:
            name = _name(type_name)
            sentence = f"{_jobs(count)} of the type {name} failed within an hour or keep failing."
            yield Fault(f"failing/{name}", "failing", sentence, f"crmd jobs list --type {name}")


def _waiting(fleet: Fleet, settings: Alerts) -> Iterator[Fault]:
    for one in fleet.waiting[:FAULTS_MAX]:
        if not one.due or one.due_seconds < settings.waiting_minutes * 60:
            continue
        name = _name(one.queue)
        if one.is_served:
            sentence = f"In the queue {name} a job has been due for {_time(one.due_seconds)}; {one.due} are due."
            yield Fault(f"waiting/{name}", "waiting", sentence, "crmd queues list")
        else:
            sentence = f"No living daemon runs jobs of the queue {name}, where {one.due} are due."
            yield Fault(f"unserved/{name}", "unserved", sentence, "Start a daemon with that queue.")


def _schedules(fleet: Fleet) -> Iterator[Fault]:
    plans = fleet.schedules
    if plans.late:
        sentence = f"{plans.late} schedules are late, the latest by {_time(plans.late_seconds)}."
        yield Fault("schedule/late", "schedule", sentence, "crmd schedules list")
    if plans.broken:
        sentence = f"{plans.broken} schedules cannot be evaluated and do not fire."
        yield Fault("schedule/broken", "schedule", sentence, "crmd schedules list")


def _connections(fleet: Fleet) -> Iterator[Fault]:
    for provider, rows in groupby(sorted(fleet.connections, key=attrgetter("provider")), attrgetter("provider")):
        name = _name(provider)
        for one in rows:
            if one.state == "active" and one.stale:
                sentence = f"{one.stale} connections at {name} have not synced for up to {_time(one.sync_seconds)}."
                yield Fault(f"connection/stale/{name}", "connection", sentence, "crmd connections list")
            if one.state == "needs_reauth":
                sentence = f"{one.connections} connections at {name} need a new consent of their owner."
                yield Fault(f"connection/consent/{name}", "connection", sentence, "crmd connections list")


def _daemons(fleet: Fleet) -> Iterator[Fault]:
    for one in fleet.daemons.lost[:FAULTS_MAX]:
        sentence = f"The daemon on {_name(one.host)} ended without a word; it was alive at {one.at:%Y-%m-%d %H:%M} UTC."
        hint = "Another runs there by now." if one.is_replaced else "Its jobs go to the others, if there are any."
        yield Fault(f"daemon/{one.id}", "daemon", sentence, hint)


def _others(fleet: Fleet) -> Iterator[Fault]:
    for plugin in fleet.quarantined[:FAULTS_MAX]:
        name = _name(plugin)
        sentence = f"The plugin {name} is in quarantine, since its jobs did harm; they wait."
        yield Fault(f"quarantine/{name}", "quarantine", sentence, "crmd plugins list")
    if fleet.unknown_effects:
        sentence = f"Of {fleet.unknown_effects} effects nobody knows whether they took place."
        yield Fault("effect/unknown", "effect", sentence, "crmd effects list --state unknown")


def _jobs(count: int) -> str:
    return "1 job" if count == 1 else f"{count:,} jobs"


def _name(text: str) -> str:
    """A name in one short line, whoever chose it."""
    return " ".join(clean_text(text, NAME_MAX).split()) or "?"


def _time(seconds: float) -> str:
    if seconds < 5400:  # noqa: PLR2004 - up to an hour and a half minutes read better
        return f"{max(round(seconds / 60), 1)} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172800 else f"{seconds / 86400:.0f} days"  # noqa: PLR2004 - two days
