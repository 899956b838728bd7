"""Who holds the event loop up is found while it happens."""

from __future__ import annotations

import json
import sys
import threading
from datetime import datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from fleet import install_plugin, running_fleet

from crmd.engine import stall
from crmd.engine.engine import WATCH_SECONDS
from crmd.engine.handling import handle
from crmd.engine.stall import StallWatch, culprit_of
from crmd.job_type import job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from fleet import Daemon

    from crmd.engine.run import Run
    from crmd.engine.stall import Culprit


def _run_of(handler: Callable[..., Awaitable[None]]) -> Run:
    job_type = job("computes")(handler).owned_by("greedy")
    return cast("Run", SimpleNamespace(job_type=job_type, row={}, stop=None, is_lost=False, started=0.0, deadline=0.0))


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


@pytest.mark.slow
async def test_a_minute_of_sleep_costs_no_lease(crmd_dsn: str, tmp_path: Path) -> None:
    """`time.sleep(60)` under the default lease: no job loses it, and the culprit is named with its stack within 2 s."""
    install_plugin(tmp_path / "site", "isolated", "isolated_plugin")
    settings = {"plugins__enabled": '["fleet", "isolated"]', "daemon__lease_seconds": ""}
    async with running_fleet(crmd_dsn, tmp_path, 1, **settings) as fleet:
        await fleet.enqueue("marks", 10, '{"seconds": 3}')
        await fleet.until("SELECT count(*) FROM crmd.lease", 10)
        await fleet.enqueue("block-loop", 1, '{"milliseconds": 60000}')
        await fleet.until_logged(fleet.daemons[0], "stands still")
        fleet.start(**settings)  # which would take over what it can, from its very beginning
        await fleet.ready(2)
        await fleet.enqueue("marks", 10, '{"seconds": 45}')
        await fleet.until("SELECT count(*) FROM crmd.archive WHERE status = 'completed'", 21)
        rows = await fleet.connection.fetch("SELECT pid, fence, count(*) FROM fleet.mark GROUP BY pid, fence")
        blocked, other = fleet.daemons
        assert {tuple(row) for row in rows} == {(blocked.pid, 1, 11), (other.pid, 1, 10)}
        assert await fleet.connection.fetchval("SELECT count(*) FROM crmd.daemon WHERE NOT is_dead") == 2
    began, told, ended = (line_of(blocked, word) for word in ("blocks the loop", "stands still", "turns again"))
    assert "block-loop of plugin fleet" in told["message"]
    assert "fleet_jobs.py" in told["message"]
    assert "block_loop" in told["message"]
    assert seconds_between(began, told) < 2
    assert seconds_between(began, ended) >= 60


def line_of(daemon: Daemon, word: str) -> dict[str, Any]:
    """The only line of its log that has these words."""
    [line] = [line for line in daemon.text().splitlines() if word in line]
    return cast("dict[str, Any]", json.loads(line))


def seconds_between(one: dict[str, Any], other: dict[str, Any]) -> float:
    """From one line of a log to another."""
    return (datetime.fromisoformat(other["at"]) - datetime.fromisoformat(one["at"])).total_seconds()
