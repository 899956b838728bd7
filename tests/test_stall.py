"""Who holds the event loop up is found while it happens."""

from __future__ import annotations

import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from crmd.engine import stall
from crmd.engine.engine import WATCH_SECONDS
from crmd.engine.handling import handle
from crmd.engine.stall import StallWatch, culprit_of
from crmd.job_type import job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import pytest

    from crmd.engine.run import Run
    from crmd.engine.stall import Culprit


def _run_of(handler: Callable[..., Awaitable[None]]) -> Run:
    job_type = job("computes")(handler).owned_by("greedy")
    return cast("Run", SimpleNamespace(job_type=job_type, row={}, stop=None, started=0.0, deadline=0.0))


async def test_names_job_plugin_and_place() -> None:
    """A job whose handler is on the stack is named with its plugin and the innermost places of its code."""
    found: list[Culprit] = []

    async def computes(ctx: object) -> None:
        found.append(culprit_of(sys._getframe()))

    await handle(_run_of(computes), cast("Any", None))
    assert (found[0].job_type, found[0].plugin) == ("computes", "greedy")
    assert found[0].places[0].endswith("computes")


def test_without_a_job() -> None:
    """What is nobody's job is named as crmd's own."""
    assert culprit_of(sys._getframe()).plugin == "crmd"
    assert culprit_of(None).places == ()


def test_each_stall_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stall is told while it lasts, once; after a turn the next one is told again."""
    monkeypatch.setattr(stall, "STALL_SECONDS", 0.0)
    monkeypatch.setattr(stall, "LOOK_SECONDS", 0.001)
    told = threading.Semaphore(0)
    count: list[Culprit] = []

    def tell(culprit: Culprit) -> None:
        count.append(culprit)
        told.release()

    watch = StallWatch(tell)
    watch.start()
    assert told.acquire(timeout=10)
    watch.turned()
    assert told.acquire(timeout=10)
    watch.stop()
    assert len(count) == 2


def test_a_stall_is_told_within_two_seconds() -> None:
    """The longest time from the last turn of the loop to the word about it: a turn, a stall and a look."""
    assert WATCH_SECONDS + stall.STALL_SECONDS + stall.LOOK_SECONDS < 2
