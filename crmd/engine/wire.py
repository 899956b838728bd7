"""What the daemon and the process of a job say to each other, over a stream socket of their own.

The daemon sends pickles, since a child trusts its daemon. The child sends msgpack of these few types alone: whatever a
plugin did to its process, the daemon reads data, never code. A length that is none ends the talk; what follows it is
kept as last words, for faulthandler writes into the same socket when a process dies of a signal.
"""

from __future__ import annotations

import dataclasses
import struct
from typing import TYPE_CHECKING, Any, TypeAlias, get_args

import msgspec

from crmd.engine.fault_record import record
from crmd.engine.run import Progress
from crmd.outcome import DONE, Fault, Outcome
from crmd.stored_text import clean_text, clean_value

if TYPE_CHECKING:
    from crmd.engine.run import Run

FRAME_MAX = 8 * 1024 * 1024
HEADER = struct.Struct(">I")
_KINDS = {kind.__name__: kind for kind in get_args(Outcome)}


class Begun(msgspec.Struct, frozen=True, tag="begun"):
    """The handler begins: what comes before is the start of the process."""


class Moved(msgspec.Struct, frozen=True, tag="moved"):
    """How far the job is; the items are those booked since the last time."""

    done: int
    total: int | None
    note: str
    counts: dict[str, int]
    reasons: dict[str, int]
    items: list[tuple[str, str, str | None]]


class Logged(msgspec.Struct, frozen=True, tag="logged"):
    """A line of the log, redacted already."""

    level: int
    logger: str
    text: str
    fields: dict[str, str | int | float]


class Finished(msgspec.Struct, frozen=True, tag="finished"):
    """What becomes of the job: the outcome's class, its fields, and its fault as (name, message, record)."""

    kind: str
    fields: dict[str, Any]
    fault: tuple[str, str, bytes | None] | None
    has_children: bool


Told: TypeAlias = Begun | Moved | Logged | Finished
_DECODER: msgspec.msgpack.Decoder[Told] = msgspec.msgpack.Decoder(Told)


def framed(body: bytes) -> bytes:
    """The body behind its length."""
    return HEADER.pack(len(body)) + body


def encoded(message: Told) -> bytes:
    """A frame. A job's words must not keep its outcome from being told: what UTF-8 does not have is replaced."""
    try:
        return framed(msgspec.msgpack.encode(message))
    except UnicodeEncodeError:  # a lone surrogate somewhere
        return framed(msgspec.msgpack.encode(clean_value(msgspec.to_builtins(message, builtin_types=(bytes,)))))


def decoded(body: bytes) -> Told:
    """What a child says.

    Raises:
        msgspec.MsgspecError: It is none of the known messages.
    """
    return _DECODER.decode(body)


def finished(outcome: Outcome, run: Run) -> Finished:
    """An outcome, ready to be sent; an exception is told by its class, its sentence and its place in the code."""
    fields = {field.name: getattr(outcome, field.name) for field in dataclasses.fields(outcome)}
    fault: Fault | None = fields.pop("error", None)
    told = None if fault is None else (fault.name, clean_text(fault.message), record(fault, run))
    return Finished(type(outcome).__name__, fields, told, run.has_children)


def outcome_of(message: Finished) -> Outcome:
    """The outcome as it was in the child.

    Raises:
        KeyError, TypeError: It is none.
    """
    fields = dict(message.fields)
    if message.fault is not None:
        name, sentence, kept = message.fault
        fields["error"] = Fault(name, sentence, record=kept)
    outcome: Outcome = _KINDS[message.kind](**fields)
    return DONE if outcome == DONE else outcome


def taken(progress: Progress) -> Moved:
    """What is to be said of a progress; its items are taken out of it."""
    progress.is_dirty = False
    items = list(progress.items)
    del progress.items[: len(items)]
    return Moved(progress.done, progress.total, progress.note, dict(progress.counts), dict(progress.reasons), items)


def merged(progress: Progress | None, moved: Moved) -> Progress:
    """The daemon's side of a progress, brought up to what the child says."""
    progress = progress or Progress()
    progress.done, progress.total, progress.note = moved.done, moved.total, moved.note
    progress.counts, progress.reasons = moved.counts, moved.reasons
    progress.items.extend(moved.items)
    progress.is_dirty = True
    return progress
