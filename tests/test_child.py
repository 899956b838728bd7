"""The daemon's end of the talk with a job's process: whatever that says, the daemon goes on."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import anyio
import msgspec
import pytest

from crmd.engine import child as talking
from crmd.engine import wire
from crmd.engine.casualty import Crashed, Ending, HostBroken, HostLost
from crmd.engine.child import Child
from crmd.engine.host import Host, child_environment
from crmd.isolation import Isolation
from crmd.outcome import DONE, Ended, Outcome, Stop

if TYPE_CHECKING:
    from crmd.engine.run import Run


class Talk:
    """A child that the test plays."""

    def __init__(self) -> None:
        self.kills = 0
        self.run = cast(
            "Run",
            SimpleNamespace(
                stop=None, reason="", progress=None, has_children=False, started=0.0, deadline=0.0,
                job_type=SimpleNamespace(timeout_seconds=1.0), row={"attempt": 1},
            ),
        )  # fmt: skip
        ours, self.theirs = socket.socketpair()
        self._ours = ours
        self.ending: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()

    def kill(self) -> None:
        """What the daemon does to it."""
        self.kills += 1
        self.end(signal.SIGKILL)

    def end(self, status: int) -> None:
        """It ends."""
        self.theirs.close()
        if not self.ending.done():
            self.ending.set_result(Ending(status))

    async def begin(self) -> Child:
        """The daemon's end."""
        reader, writer = await asyncio.open_unix_connection(sock=self._ours)
        return Child(reader, writer, self.ending, b"order", self.kill)

    async def outcome(self, *said: bytes, status: int | None = None) -> Outcome:
        """What the daemon makes of these words."""
        child = await self.begin()
        self.theirs.recv(100)  # or the end of the socket would look like a fault of its own
        for piece in said:
            self.theirs.sendall(piece)
        if status is not None:
            self.end(status)
        try:
            return await child.run(self.run, Isolation())
        finally:
            self.end(0)


async def test_what_it_tells_is_taken_over() -> None:
    """Its beginning starts its time, its progress is the run's, its outcome the job's."""
    talk = Talk()
    moved = wire.Moved(1, 2, "n", {"succeeded": 1, "blocked": 0, "failed": 0}, {}, [("a", "succeeded", None)])
    told = (wire.encoded(wire.Begun()), wire.encoded(moved), wire.encoded(wire.finished(DONE, talk.run)))
    assert await talk.outcome(b"".join(told)) is DONE
    assert talk.run.started > 0
    assert talk.run.progress is not None
    assert talk.run.progress.items == [("a", "succeeded", None)]


@pytest.mark.parametrize(
    "said",
    [
        wire.framed(b"\xc1"),
        wire.framed(b""),
        wire.framed(msgspec.msgpack.encode({"type": "nothing"})),
        wire.framed(msgspec.msgpack.encode(wire.Finished("Nonsense", {}, None, False))),
        wire.framed(msgspec.msgpack.encode(wire.Finished("Ended", {"nonsense": 1}, None, False))),
        wire.encoded(wire.Logged(40, "crmd", "x", {"name": "overwrites the record's own"})),
    ],
)
async def test_nonsense_kills_it_and_nothing_else(said: bytes) -> None:
    """A process that says what is no message is killed, and its job has crashed."""
    talk = Talk()
    with pytest.raises(Crashed, match="makes no sense"):
        await talk.outcome(said)
    assert talk.kills == 1


async def test_last_words_name_the_place() -> None:
    """What faulthandler writes, piece by piece, behind the last message is read to its end."""
    talk = Talk()
    words = [b"Fatal Python error: ", b"Segmentation fault\n\n", b'  File "/x.py", line 3 in f\n']
    with pytest.raises(Crashed, match=r"killed by SIGSEGV in /x\.py:3 f"):
        await talk.outcome(wire.encoded(wire.Begun()), *words, status=signal.SIGSEGV)


async def test_whoever_goes_on_behind_nonsense_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A length that is none ends the talk; a process that lives on after it does not keep its slot."""
    monkeypatch.setattr(talking, "GRACE_SECONDS", 0.05)
    talk = Talk()
    with pytest.raises(Crashed, match="SIGKILL"):
        await talk.outcome(b"\xff\xff\xff\xff and no end")
    assert talk.kills == 1


async def test_a_stop_is_passed_on_and_then_enforced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cancelled, a process is asked with the reason; one that answers in time decides, one that does not is killed."""
    monkeypatch.setattr(talking, "GRACE_SECONDS", 0.05)
    talk = Talk()
    child = await talk.begin()
    with anyio.CancelScope() as scope:
        talk.run.stop, talk.run.reason = Stop.CANCEL, "not needed"
        scope.cancel()
        await child.run(talk.run, Isolation())
    assert talk.kills >= 1
    assert scope.cancelled_caught


async def test_an_answer_in_time_decides() -> None:
    """The outcome that a process tells after it was asked to stop is the job's."""
    talk = Talk()
    child = await talk.begin()
    answer = Ended("cancelled")
    talk.theirs.sendall(wire.encoded(wire.finished(answer, talk.run)))
    with anyio.CancelScope() as scope:
        talk.run.stop = Stop.CANCEL
        scope.cancel()
        assert await child.run(talk.run, Isolation()) == answer
    talk.end(0)
    asked = b"".join([wire.framed(b"order"), wire.framed(msgspec.msgpack.encode(("cancel", "")))])
    assert asked.startswith(wire.framed(b"order"))


def test_no_secret_is_in_the_environment_of_a_process() -> None:
    """What may hold a secret of crmd, or speak for the daemon, is taken out; the rest of the environment stays."""
    ours = ("CRMD__DATABASE__DSN", "CRMD_MASTER_KEY", "CRMD__VAULT__X_FILE", "CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET")
    environ = {**dict.fromkeys((*ours, "WATCHDOG_PID"), "secret"), "PATH": "/bin", "LANG": "C"}
    assert child_environment(environ, ["/lib/python"]) == {"PATH": "/bin", "LANG": "C", "PYTHONPATH": "/lib/python"}


@pytest.mark.parametrize("program", ["/bin/false", "/nowhere/python"])
async def test_a_host_that_cannot_start_is_told_from_a_crash(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """No job has run in it, so whoever waited for it learns that, at once and when it asks again."""
    monkeypatch.setattr(sys, "executable", program)
    host = Host("sample")
    with pytest.raises(HostBroken, match=r"plugin sample (does not start|ended before it was ready)"):
        await host.start(b"")
    with pytest.raises(HostLost, match="has ended"):
        await host.fork({})
