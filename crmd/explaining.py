"""Why a job does not run yet: every gate in the order in which it is tried, and the earliest start. Pure.

Rows come in (see queries/explain_job.sql and explain_keys.sql), an explanation goes out, for people and as data.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import msgspec

from crmd.telling import id_list, instant_of, span_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

Verdict: TypeAlias = Literal["pass", "wait", "never"]
LINE_MAX = 10_000
HOLDERS_MAX = 5
ENDED = frozenset({"completed", "failed", "cancelled", "dead"})


class Gate(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One thing that a job has to pass.

    Attributes:
        name: `time`, `hold`, `type`, a key of its lane, …
        verdict: `wait` may pass by itself or by somebody's hand; `never` will not.
        text: One sentence with its numbers.
        until: From when on it passes by itself, as far as that is known.
        next_step: What an operator can do about it; empty when it passes, or passes by itself.
        holders: Jobs that hold a full key, the longest running first.
    """

    name: str
    verdict: Verdict
    text: str
    until: datetime | None = None
    next_step: str = ""
    holders: list[dict[str, Any]] = []


class Explanation(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why a job stands where it stands.

    Attributes:
        summary: One sentence.
        earliest_start: When it can run at the earliest; None when it depends on somebody's hand, or on other jobs.
    """

    job_id: str
    type: str
    status: str
    summary: str
    gates: list[Gate]
    earliest_start: datetime | None = None


Facts: TypeAlias = "Mapping[str, Any]"


def explain(facts: Facts, keys: Sequence[Mapping[str, Any]]) -> Explanation:
    """The explanation of one job.

    Args:
        facts: The object of explain_job.sql.
        keys: The rows of explain_keys.sql; none for a job without a lane.
    """
    gates: list[Gate] = []
    if facts["status"] not in ENDED and facts["running_on"] is None:
        gates = [gate for look in _LOOKS for gate in look(facts)]
        gates += [_key(row) for row in keys]
        gates += list(_turn(facts))
    waiting = [gate for gate in gates if gate.verdict != "pass"]
    return Explanation(
        job_id=str(facts["id"]),
        type=facts["type"],
        status=facts["status"],
        summary=_summary(facts, waiting),
        gates=gates,
        earliest_start=_earliest(facts, waiting),
    )


_ENDINGS = {
    "completed": "It is done",
    "failed": "It failed for good",
    "dead": "It died after its last attempt",
    "cancelled": "It was cancelled",
}


def _summary(facts: Facts, waiting: Sequence[Gate]) -> str:
    if facts["status"] in ENDED:
        again = f" It runs again as {facts['retried_to']}." if facts["retried_to"] else ""
        error = facts["last_error"]
        because = f": {error.get('class')}: {error.get('message')}" if error and facts["status"] != "completed" else ""
        return f"{_ENDINGS[facts['status']]}{because}.{again}"
    if facts["running_on"] is not None:
        where = f" on {facts['running_on']['host']}" if facts["running_on"]["host"] else ""
        if facts["running_on"]["is_dead"]:
            return f"Its daemon{where} has died; another gives it back within seconds."
        asked = " It was asked to stop." if facts["cancel_requested_at"] else ""
        return f"It runs, attempt {facts['attempt']} of {facts['max_attempts']}{where and ',' + where}.{asked}"
    if not waiting:
        return "Nothing holds it back: the next claim of its queue takes it."
    more = f" {len(waiting) - 1} more gates wait." if len(waiting) > 1 else ""
    return f"It waits: {waiting[0].text}{more}"


def _earliest(facts: Facts, waiting: Sequence[Gate]) -> datetime | None:
    if facts["status"] in ENDED or facts["running_on"] is not None:
        return None
    if any(gate.verdict == "never" or gate.until is None for gate in waiting):
        return None
    return max((gate.until for gate in waiting if gate.until is not None), default=instant_of(facts["now"]))


def _time(facts: Facts) -> Iterator[Gate]:
    waits = facts["waits_for"] or {}
    until = instant_of(facts["run_at"])
    if facts["due_in"] is None or "event" in waits:
        limit = f", {waits['until']} at the latest" if waits.get("until") else ""
        text = f"it waits for the event {waits.get('event', 'that wakes it')}{limit}."
        yield Gate(name="event", verdict="wait", text=text, next_step="Emit the event, or cancel the job.")
    elif facts["due_in"] > 0:
        error = facts["last_error"] or {}
        why = f", after {error.get('class')}: {error.get('message')}" if error else ""
        text = f"it is due in {span_text(facts['due_in'])}{why}."
        yield Gate(name="time", verdict="wait", text=text, until=until)
    else:
        yield Gate(name="time", verdict="pass", text=f"due for {span_text(-facts['due_in'])}.")


def _hold(facts: Facts) -> Iterator[Gate]:
    held, waits = facts["held"], facts["waits_for"] or {}
    family = facts["family"] or {"total": 0, "pending": 0}
    texts = {
        "children": (f"it has run and waits for {family['pending']} of {family['total']} children.", ""),
        "gather": (f"it waits for {family['pending']} of {family['total']} children, and goes on then.", ""),
        "after": (f"it comes after {id_list(waits.get('after'))}.", ""),
        "key": (f"it follows {facts['follows']}, which has the same unique key and has started.", ""),
        "suspect": ("a daemon died while it ran; it runs alone, one suspect at a time.", ""),
        "reconcile": (_effects(facts), "See `crmd effects --unknown`, then `crmd effects resolve`."),
        "unknown": (
            f"no daemon knows its type, or version {facts['payload_version']} of its payload.",
            "Start a daemon with the plugin that declares it.",
        ),
    }
    if held is None:
        yield Gate(name="hold", verdict="pass", text="nothing holds it.")
        return
    text, next_step = texts.get(held, (f"it is held: {held}.", ""))
    yield Gate(name="hold", verdict="wait", text=text, next_step=next_step)


def _effects(facts: Facts) -> str:
    names = ", ".join(f"{effect['kind']} {effect['key']}" for effect in facts["effects"] or [])
    return f"nobody knows whether {names or 'an effect'} took place."


def _expiry(facts: Facts) -> Iterator[Gate]:
    if facts["expires_at"] is None or facts["started_at"] is not None:
        return
    until, now = instant_of(facts["expires_at"]), instant_of(facts["now"])
    if until is not None and now is not None and until <= now:
        yield Gate(
            name="expiry", verdict="never", text="it has expired before it started and is about to be cancelled."
        )
    elif until is not None and now is not None:
        yield Gate(name="expiry", verdict="pass", text=f"it expires in {span_text((until - now).total_seconds())}.")


def _type(facts: Facts) -> Iterator[Gate]:
    if not facts["type_known"]:
        text = f"no plugin that ever ran here declares the job type {facts['type']}."
        yield Gate(
            name="type", verdict="wait", text=text, next_step="Enable its plugin in [plugins], see `crmd plugins`."
        )
        return
    yield Gate(name="type", verdict="pass", text=f"declared by the plugin {facts['plugin']}.")
    if facts["quarantine"] is not None:
        text = f"the plugin {facts['plugin']} is in quarantine: {facts['quarantine']['reason']}."
        until = instant_of(facts["quarantine"]["probe_at"])
        yield Gate(
            name="quarantine", verdict="wait", text=text, until=until,
            next_step=f"`crmd plugins release {facts['plugin']}` lets it run.",
        )  # fmt: skip


def _pauses(facts: Facts) -> Iterator[Gate]:
    for pause in facts["pauses"]:
        action = "queues" if pause["key"].startswith("queue:") else "limits"
        name = pause["key"].removeprefix("queue:")
        until = instant_of(pause["until"])
        yield Gate(
            name=pause["key"], verdict="wait", text=f"{pause['key']} is paused: {pause['reason']}.", until=until,
            next_step=f"`crmd {action} resume {name}` lets it go on.",
        )  # fmt: skip


def _daemons(facts: Facts) -> Iterator[Gate]:
    working = [daemon for daemon in facts["daemons"] if not daemon["is_draining"]]
    if not working:
        text = f"no daemon works on the queue {facts['queue']}."
        yield Gate(name="daemons", verdict="wait", text=text, next_step="Start one: `crmd run`.")
        return
    hosts = ", ".join(sorted({daemon["host"] for daemon in working} - {""}))
    where, running = f" ({hosts})" if hosts else "", facts["running_in_queue"]
    text = f"{len(working)} daemons work on the queue {facts['queue']}{where}, with {running} jobs running."
    yield Gate(name="daemons", verdict="pass", text=text)


def _key(row: Mapping[str, Any]) -> Gate:
    """One key of the lane: its gate first, then its limit."""
    key = row["key"]
    if row["gate_reason"] is not None:
        hint = "" if row["gate_until"] else "It opens when somebody opens it."
        text = f"the gate {key} is closed: {row['gate_reason']}."
        return Gate(name=key, verdict="wait", text=text, until=row["gate_until"], next_step=hint)
    if row["max"] is None:
        return Gate(name=key, verdict="pass", text=f"the gate is open; {row['running']} running.")
    if row["is_local"]:
        return Gate(name=key, verdict="pass", text=f"{row['max']} at a time in each daemon; {row['running']} in all.")
    if row["running"] >= row["max"]:
        text = f"{key} is full: {row['running']} of {row['max']} running."
        return Gate(name=key, verdict="wait", text=text, holders=list(row["holders"] or []))
    return Gate(name=key, verdict="pass", text=f"{row['running']} of {row['max']} running.")


def _turn(facts: Facts) -> Iterator[Gate]:
    if facts["ahead"] is None:
        return
    lane = "lane" if facts["lane"] else "queue"
    count = f"{facts['ahead']:,}{' or more' if facts['ahead'] >= LINE_MAX else ''}"
    text = f"{count} due jobs of its {lane} come first, priority {facts['priority']}."
    yield Gate(name="turn", verdict="pass", text=text)


_LOOKS: tuple[Callable[[Facts], Iterator[Gate]], ...] = (_hold, _time, _expiry, _type, _pauses, _daemons)
