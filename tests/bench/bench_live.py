"""What live streams cost, and how soon they tell.

A daemon runs jobs and serves streams; this process reads them, as light as it can. `crowd` runs the same jobs without
and with the streams, and says what the daemon's process costs each time. BENCH_PARTS names the parts to run.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import asyncpg

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from fleet import install_plugin

from crmd.embedded.supervisor import temporary_embedded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    Connection = asyncpg.Connection[asyncpg.Record]

PARTS = os.environ.get("BENCH_PARTS", "latency,crowd").split(",")
POSTS = int(os.environ.get("BENCH_POSTS", "100"))
STREAMS = int(os.environ.get("BENCH_STREAMS", "2000"))
JOBS = int(os.environ.get("BENCH_JOBS", "250"))
SECONDS = int(os.environ.get("BENCH_SECONDS", "20"))
PORT = 18471
# The engine writes the progress of a job twice a second, so each job is told of so often.
STEP_SECONDS = 0.1
PATIENCE_SECONDS = 120
ENQUEUE = (
    "SELECT crmd.enqueue('walk', jsonb_build_object('steps', $2::int, 'pauseSeconds', $3::float8), w) "
    "FROM unnest($1::uuid[]) w"
)


def workspace(number: int) -> str:
    """A workspace's id."""
    return f"00000000-0000-4000-8000-{number:012x}"


def say(line: str) -> None:
    """One line of the answer."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@dataclass
class Daemon:
    """A daemon with an API, and what it needs.

    Attributes:
        connection: To its database.
        key: Of an operator.
        pid: Of its process.
    """

    connection: Connection
    key: str
    pid: int

    def cpu_seconds(self) -> float:
        """What its process has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    async def until(self, query: str, wanted: object) -> None:
        """Wait until a query answers so."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while await self.connection.fetchval(query) != wanted:
            if time.monotonic() > deadline:
                raise SystemExit(f"check failed: not within {PATIENCE_SECONDS} s: {query}")
            await asyncio.sleep(0.05)


@asynccontextmanager
async def daemon() -> AsyncIterator[Daemon]:
    """One daemon on a database of its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install_plugin(folder / "site", "bench", "live_plugin")
        async with temporary_embedded({"shared_buffers": "256MB"}) as server:
            environ = {
                **{key: value for key, value in os.environ.items() if not key.startswith("CRMD")},
                "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(Path(__file__).parent)]),
                "CRMD__DATABASE__DSN": server.dsn.reveal(),
                "CRMD__PLUGINS__ENABLED": '["bench"]',
                "CRMD__DAEMON__STATE_DIR": str(folder / "state"),
                "CRMD__QUEUES__FAST__SLOTS": str(2 * JOBS),
                "CRMD__API__LISTEN": f"127.0.0.1:{PORT}",
                "CRMD__API__STREAMS_PER_KEY_MAX": str(STREAMS),
                "CRMD__API__REQUESTS_PER_MINUTE": "1000000",
            }
            command = [sys.executable, "-m", "crmd"]
            await asyncio.to_thread(subprocess.run, [*command, "migrate"], env=environ, check=True, capture_output=True)
            created = await asyncio.to_thread(
                subprocess.run, [*command, "keys", "create", "bench", "--scope", "admin"], env=environ, check=True,
                capture_output=True, text=True,
            )  # fmt: skip
            [key] = [word for word in created.stdout.split() if word.startswith("crmd_")]
            with (folder / "daemon.log").open("wb") as log:
                process = await asyncio.create_subprocess_exec(*command, "run", env=environ, stdout=log, stderr=log)
            connection = await asyncpg.connect(server.dsn.reveal())
            try:
                found = Daemon(connection, key, process.pid)
                await found.until("SELECT count(*) FROM crmd.daemon WHERE NOT is_dead", 1)
                yield found
            finally:
                await connection.close()
                process.terminate()
                await process.wait()


@dataclass
class Reader(asyncio.Protocol):
    """Reads one stream, and keeps of it what tells whether anything was lost."""

    request: bytes
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    events: int = 0
    steps: int = 0
    is_back: bool = False
    _rest: bytes = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        assert isinstance(transport, asyncio.Transport)
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        """Count events, and look how far the job is."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line == b"event: snapshot":
                self.begun.set()
            elif line.startswith(b'data: {"id"'):
                self._take(line)

    def _take(self, line: bytes) -> None:
        self.events += 1
        self.told.set()
        place = line.find(b'"processedItems":')
        text = line[place + 17 : place + 30].partition(b",")[0]
        steps = int(text) if text.isdigit() else 0
        self.is_back |= steps < self.steps
        self.steps = steps
        if b'"status":"completed"' in line:
            self.ended.set()


async def opened(key: str, numbers: Sequence[int]) -> list[Reader]:
    """Streams of these workspaces, each behind its snapshot."""
    loop = asyncio.get_running_loop()
    readers = []
    for number in numbers:
        path = f"/api/workspaces/{workspace(number)}/jobs/stream"
        request = f"GET {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {key}\r\n\r\n".encode()
        reader = Reader(request)
        await loop.create_connection(lambda reader=reader: reader, "127.0.0.1", PORT)  # type: ignore[misc]  # a lambda's default
        readers.append(reader)
    for reader in readers:
        await asyncio.wait_for(reader.begun.wait(), PATIENCE_SECONDS)
    return readers


async def latency() -> None:
    """From a POST to the first event of the job on a stream, on a daemon with nothing else to do."""
    async with daemon() as served, aiohttp.ClientSession(f"http://127.0.0.1:{PORT}") as session:
        headers = {"Authorization": f"Bearer {served.key}"}
        jobs = f"/api/workspaces/{workspace(1)}/jobs"
        [reader] = await opened(served.key, [1])
        waits = []
        for _ in range(POSTS):
            await asyncio.sleep(0.15)  # so that nothing of the job before is still to be told
            seen = reader.events
            began = time.perf_counter()
            posting = asyncio.create_task(session.post(jobs, json={"type": "walk", "payload": {}}, headers=headers))
            while reader.events == seen:
                reader.told.clear()
                await reader.told.wait()
            waits.append(time.perf_counter() - began)
            (await posting).release()
        waits.sort()
        say(
            f"POST to first event, {POSTS} jobs one by one: p50 {statistics.median(waits) * 1000:.1f} ms   "
            f"p95 {waits[int(len(waits) * 0.95)] * 1000:.1f} ms   longest {waits[-1] * 1000:.1f} ms"
        )


async def crowd() -> None:
    """What the daemon costs with many jobs that tell of their steps: nobody watches, and very many do."""
    async with daemon() as served:
        steps = round(SECONDS / STEP_SECONDS)
        workspaces = [workspace(number) for number in range(JOBS)]
        costs = []
        for streams in (0, STREAMS):
            began = time.monotonic()
            readers = await opened(served.key, [number % JOBS for number in range(streams)])
            open_seconds = time.monotonic() - began
            await served.connection.fetch(ENQUEUE, workspaces, steps, STEP_SECONDS)
            await served.until("SELECT count(*) FROM crmd.lease", JOBS)
            used, began = served.cpu_seconds(), time.monotonic()
            await asyncio.sleep(SECONDS * 0.8)
            share = (served.cpu_seconds() - used) / (time.monotonic() - began)
            told = sum(reader.events for reader in readers) / max(len(readers), 1)
            costs.append(share)
            say(f"{streams:5} streams, {JOBS} jobs, {2 * JOBS} updates a second: {share:.2f} cores")
            await served.until("SELECT count(*) FROM crmd.lease", 0)
            for reader in readers:
                await asyncio.wait_for(reader.ended.wait(), PATIENCE_SECONDS)
            if readers:
                say(f"opened in {open_seconds:.1f} s; each was told {told:.0f} times in {SECONDS * 0.8:.0f} s")
            if any(reader.is_back or reader.steps != steps for reader in readers):
                raise SystemExit("check failed: a stream has lost the last state of a job, or went back")
        say(f"the streams themselves: {costs[1] - costs[0]:.2f} cores")


async def main() -> None:
    """Run the parts."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    parts = {"latency": latency, "crowd": crowd}
    for name in PARTS:
        await parts[name]()


if __name__ == "__main__":
    asyncio.run(main())
