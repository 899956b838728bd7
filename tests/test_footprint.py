from __future__ import annotations

import os
import resource
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import pytest

import crmd
from crmd.engine import footprint
from crmd.engine.blame import Blame
from crmd.engine.confinement import tasks_of
from crmd.engine.footprint import Footprint
from crmd.engine.job_context import JobContext
from crmd.engine.run import Run
from crmd.store import leases
from crmd.store.leases import Token

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])
NOBODY = 65534


@crmd.job("keeps")
async def keeps(ctx: crmd.Context) -> None:
    """Never runs here: the test acts in its name."""


@pytest.fixture(autouse=True)
def nothing_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a job that another test abandoned still holds in this process is no part of these."""
    monkeypatch.setattr(footprint, "_holdings", set())


def run_of(plugin: str) -> Run:
    """A running job of a plugin."""
    token = SimpleNamespace(id=uuid4())
    return cast("Run", SimpleNamespace(job_type=SimpleNamespace(plugin=plugin, name="j"), started=1.0, token=token))


@pytest.mark.parametrize(
    ("before", "now", "growth", "charged"),
    [
        ({"one"}, {"one"}, 100, ["one"]),
        ({"one"}, set(), 100, ["one"]),
        ({"one"}, {"two"}, 100, []),
        ({"one", "two"}, {"one"}, 100, []),
        (set(), set(), 100, []),
        ({"one"}, {"one"}, 63, []),
    ],
)
def test_growth_is_charged_where_one_plugin_ran(
    monkeypatch: pytest.MonkeyPatch, before: set[str], now: set[str], growth: int, charged: list[str]
) -> None:
    """Memory that the daemon took while jobs of two plugins ran, or of none, is nobody's."""
    sizes = iter([500, 500 + growth])
    monkeypatch.setattr(footprint, "resident_mib", lambda: next(sizes))
    monkeypatch.setattr(footprint, "LOOK_SECONDS", 0.0)
    blame = Blame()
    look = Footprint(blame)
    look.look([run_of(plugin) for plugin in before])
    look.look([run_of(plugin) for plugin in now])
    assert [row["plugin"] for row in blame.take()] == charged


def test_the_size_of_this_process_is_plausible() -> None:
    """What is read is the resident memory, in MiB."""
    assert 10 < footprint.resident_mib() <= resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024 + 1


async def test_who_holds_a_connection_for_long_is_named_once(
    workbench: Workbench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A transaction that stays open is told with its job type and plugin while it does, and charged once."""
    monkeypatch.setattr(footprint, "HELD_SECONDS_MAX", 0.0)
    monkeypatch.setattr(footprint, "LOOK_SECONDS", 0.0)
    services = workbench.everything.services
    enqueued = await workbench.enqueue("keeps")
    [row] = await leases.claim_one(workbench._pool, workbench._daemon_id, enqueued.id, leases.new_claim_id())
    run = Run(row, services.job_types["keeps"], Token(row["id"], row["fence"], row["claim_id"]))
    look = Footprint(services.blame)
    async with JobContext(run, services).transaction():
        look.look([])
        look.look([])
    look.look([])
    [account] = services.blame.take()
    assert (account["plugin"], account["held"]) == (run.job_type.plugin, 1)
    assert "a job of keeps" in caplog.text


def test_a_fork_bomb_meets_its_bound() -> None:
    """A user other than root can start no more processes than the bound says; root is not counted by the kernel."""
    if os.geteuid() != 0:
        pytest.skip("only root can become a user whose processes are known")
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _bomb(writer)
    os.close(writer)
    with os.fdopen(reader) as stream:
        started = int(stream.read())
    os.waitpid(pid, 0)
    assert started <= 5


def _bomb(writer: int) -> None:
    """In a child: as nobody, confined to five more processes, start a hundred that wait for the end of this one."""
    started = 0
    try:
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        most = tasks_of(NOBODY) + 5
        resource.setrlimit(resource.RLIMIT_NPROC, (most, most))
        waits, ends = os.pipe()
        for _ in range(100):
            if os.fork() == 0:
                os.close(ends)
                os.read(waits, 1)
                os._exit(0)
            started += 1
    except BlockingIOError:
        pass
    finally:
        os.write(writer, str(started).encode())
        os._exit(0)


def test_this_users_tasks_are_counted() -> None:
    """Processes and threads of a user are counted, this one among them."""
    assert tasks_of(os.getuid()) >= 1
    assert tasks_of(123_456_789) == 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"isolation": crmd.Isolation()}, "keeps has bounds that only a process can have"),
        ({"runs_in": "thread", "isolation": crmd.Isolation()}, "keeps has bounds that only a process can have"),
        ({"runs_in": "moon"}, "keeps cannot run in 'moon'"),
    ],
)
def test_bounds_without_a_process_are_refused(options: dict[str, Any], sentence: str) -> None:
    """Bounds that nothing would keep, and a place that there is none, are errors of the plugin."""
    with pytest.raises(crmd.CrmdError, match=sentence):
        crmd.job("keeps", **options)(keeps.handler)


@pytest.mark.parametrize("bounds", [{"memory_mib": 64}, {"cpu_seconds": 0}])
def test_bounds_that_nothing_fits_are_refused(bounds: dict[str, Any]) -> None:
    """Less memory than Python needs, and no time at all, are errors of the plugin."""
    with pytest.raises(crmd.CrmdError, match=next(iter(bounds))):
        crmd.Isolation(**bounds)
