"""Job types that the tests of enqueueing run: what is unique about each stands in its declaration."""

from __future__ import annotations

from typing import Any

import msgspec

import crmd


class Note(crmd.Payload, frozen=True):
    """Something about a contact."""

    contact: dict[str, str] = msgspec.field(default_factory=dict)
    text: str = ""
    tags: list[str] = msgspec.field(default_factory=list)


class Renamed(crmd.Payload, frozen=True):
    """The third form of a payload that was {"name": …} first and {"first": …, "last": …} then."""

    full_name: list[str]


@crmd.job("notes")
async def notes(ctx: crmd.Context, payload: Note) -> dict[str, Any]:
    """Answers its payload; its keys come from its callers."""
    return {"note": msgspec.to_builtins(payload), "meta": ctx.job.meta}


@crmd.job(
    "settles-down",
    unique=crmd.Unique(
        scope="waiting", fields=("contact.id",), on_conflict="push_back", delay_seconds=30, max_delay_seconds=100
    ),
)
async def settles_down(ctx: crmd.Context, payload: Note) -> str:
    """Runs once its contact has been quiet for 30 s, or 100 s after the first word of it."""
    ctx.log.debug("%s", payload.contact)
    return payload.text


@crmd.job("collects", unique=crmd.Unique(fields=("contact.id",), on_conflict="merge"))
async def collects(ctx: crmd.Context, payload: Note) -> list[str]:
    """Works through all that came together while it waited."""
    ctx.log.debug("%s", payload.contact)
    return payload.tags


@crmd.job("now-and-then", unique=crmd.Unique(scope="for", seconds=60, fields=(), on_conflict="keep_time"))
async def now_and_then(ctx: crmd.Context, payload: Note) -> str:
    """Runs at once, and then once a minute at the most, with the newest payload."""
    ctx.log.debug("%s", payload.contact)
    return payload.text


@crmd.job("lapses", expires_seconds=60, max_attempts=2, backoff=crmd.Backoff(first_seconds=600, jitter=0))
async def lapses(ctx: crmd.Context, payload: Note) -> str:
    """Is of no use a minute after it was due."""
    if payload.text == "fails once" and ctx.job.attempt == 1:
        raise crmd.RetryJob("not yet")
    return payload.text


@crmd.job("starts-lapsing")
async def starts_lapsing(ctx: crmd.Context) -> None:
    """Has a child that may lapse."""
    await ctx.enqueue("lapses", {"text": "child"}, is_child=True)


@crmd.job("seats", concurrency=crmd.Concurrency(max=2, on_full="reject_new"))
async def seats(ctx: crmd.Context, payload: Note) -> str:
    """Two of it may run or wait; more are rejected."""
    ctx.log.debug("%s", payload.contact)
    return payload.text


def _from_1(payload: dict[str, Any]) -> dict[str, Any]:
    first, _, last = payload["name"].partition(" ")
    return {"first": first, "last": last}


def _from_2(payload: dict[str, Any]) -> dict[str, Any]:
    return {"fullName": [payload["first"], payload["last"]]}


@crmd.job("renamed", version=3, upgrades={1: _from_1, 2: _from_2})
async def renamed(ctx: crmd.Context, payload: Renamed) -> list[str]:
    """Has had its payload changed twice."""
    ctx.log.debug("%s", ctx.job.meta)
    return payload.full_name
