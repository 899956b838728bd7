"""Stands in for a job type that no loaded plugin declares: its jobs wait, lose nothing, and are looked at again."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import msgspec

from crmd.job_type import JobType
from crmd.model import Snooze

if TYPE_CHECKING:
    from crmd.context import Context

RECHECK_SECONDS = 60.0


class _AnyPayload(msgspec.Struct):
    """Whatever the payload is, it is left for the plugin that knows it."""


@cache
def unknown_job_type(name: str) -> JobType:
    """The stand-in for `name`."""

    async def wait(ctx: Context, _payload: _AnyPayload) -> Snooze:
        ctx.log.warning("no loaded plugin declares the job type %s; its jobs wait", name)
        return Snooze(RECHECK_SECONDS, f"no loaded plugin declares the job type {name}")

    return JobType(name=name, handler=wait, payload_type=_AnyPayload, plugin="unknown")
