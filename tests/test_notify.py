from __future__ import annotations

import signal
from itertools import pairwise
from typing import TYPE_CHECKING

import anyio
import pytest
from fleet import running_fleet
from notify_socket import NotifySocket, listening

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
WATCHDOG_USEC = "1500000"
COMPLETED = "SELECT count(*) FROM crmd.archive WHERE status = 'completed'"


async def test_systemd_hears_of_a_whole_life(crmd_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ready after the start, alive while it works, reloading and ready on SIGHUP, stopping on SIGTERM, exit code 0."""
    async with listening(tmp_path / "notify") as notify:
        tell(monkeypatch, notify)
        async with running_fleet(crmd_dsn, tmp_path, count=1) as fleet:
            await notify.until(lambda lines: "READY=1" in lines)
            assert notify.lines()[0].startswith("EXTEND_TIMEOUT_USEC=")
            await notify.until_line("WATCHDOG=1", 3)
            await notify.until(lambda lines: any("0 running" in line for line in lines))
            fleet.daemons[0].send(signal.SIGHUP)
            await notify.until_line("READY=1", 2)
            lines = notify.lines()
            reloading = lines.index("RELOADING=1")
            assert lines[reloading + 1].startswith("MONOTONIC_USEC=")
            assert "READY=1" in lines[reloading:]
            fleet.daemons[0].send(signal.SIGTERM)
            assert await fleet.daemons[0].ended() == 0
            await notify.until_line("STOPPING=1")


async def test_a_stuck_loop_is_not_called_alive(crmd_dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a job blocks the event loop no sign of life goes out; it comes again once the loop turns."""
    async with listening(tmp_path / "notify") as notify:
        tell(monkeypatch, notify)
        async with running_fleet(crmd_dsn, tmp_path, count=1) as fleet:
            await notify.until_line("WATCHDOG=1")
            await fleet.enqueue("block-loop", 1, '{"milliseconds": 3000}')
            await fleet.until("SELECT count(*) FROM crmd.lease", 1)
            await fleet.until(COMPLETED, 1)
            await notify.until_line("WATCHDOG=1", notify.count("WATCHDOG=1") + 2)
            assert longest_silence_seconds(notify) > 2.0


def tell(monkeypatch: pytest.MonkeyPatch, notify: NotifySocket) -> None:
    """What systemd puts into the environment of a service; the watchdog is meant for whoever has it."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(notify.path))
    monkeypatch.setenv("WATCHDOG_USEC", WATCHDOG_USEC)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)


def longest_silence_seconds(notify: NotifySocket) -> float:
    """Between two signs of life."""
    heard = [at for at, message in notify.heard if message == "WATCHDOG=1"]
    return max(later - earlier for earlier, later in pairwise(heard))


async def test_without_systemd_nothing_is_told(crmd_dsn: str, tmp_path: Path) -> None:
    """A daemon that nobody listens to works the same."""
    async with running_fleet(crmd_dsn, tmp_path, count=1) as fleet:
        await fleet.enqueue("mark", 1)
        await fleet.until(COMPLETED, 1)
        fleet.daemons[0].send(signal.SIGINT)
        with anyio.fail_after(30):
            assert await fleet.daemons[0].ended() == 0
