"""The workload that does harm: a plugin of its own, so that only its own jobs are quarantined for it."""

from __future__ import annotations

import ctypes
import os

import crmd


class Poison(crmd.Payload, frozen=True):
    """How the process is ended: by a segfault, or by itself."""

    key: str
    is_segfault: bool = False


@crmd.job("chaos-poison", priority="critical")
async def poison(ctx: crmd.Context, payload: Poison) -> None:
    """Takes its process down with it, each time."""
    ctx.log.warning("poison")
    if payload.is_segfault:
        ctypes.string_at(0)
    os._exit(9)
