"""Stands in for a job type that no loaded plugin declares: its jobs are held, as if they had never been claimed."""

from __future__ import annotations

import logging
from functools import cache
from typing import TYPE_CHECKING

from crmd.errors import NotKnownHere
from crmd.job_type import JobType
from crmd.model import NoPayload

if TYPE_CHECKING:
    from typing import NoReturn

    from crmd.context import Context

_LOG = logging.getLogger("crmd.engine")


@cache
def unknown_job_type(name: str) -> JobType:
    """The stand-in for `name`. It is made once, and that is when the log tells of it."""
    _LOG.warning(
        "no loaded plugin declares the job type %s; its jobs are held until a daemon comes that knows it", name
    )

    async def wait(_ctx: Context) -> NoReturn:
        raise NotKnownHere(f"the job type {name}", "no loaded plugin declares it")

    return JobType(name=name, handler=wait, payload_type=NoPayload, plugin="unknown")
