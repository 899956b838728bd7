"""What senders and readers of bad will cost a daemon in memory: a bounded amount, whatever they do and however long."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from fleet import running_fleet

from crmd.store import api_keys
from crmd.store.api_keys import NewKey

if TYPE_CHECKING:
    from uuid import UUID

    from fleet import Fleet

pytestmark = pytest.mark.slow
MIB = 1024 * 1024
STREAMS = int(os.environ.get("CRMD_TEST_STREAMS", "500"))
JOBS = 1000  # some 600 KiB of news for each stream
# A connection with its task takes 40, what waits for its reader as much; the kernel's buffers are not the daemon's.
STREAM_KIB_MAX = 160
LEFT_MIB_MAX = {b"413": 20, b"415": 20, b"422": 5}  # of ten that came one after the other
SENDERS = 60
SENDER_MIB_MAX = 2  # a body has 1 at the most
PATIENCE_SECONDS = 60.0
HEAD = (
    "POST /api/workspaces/{}/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n"
)
WATCH = "GET /api/workspaces/{}/jobs/stream HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n"


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def resident_mib(pid: int) -> float:
    """What a process holds in memory."""
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


async def sent(port: int, *parts: bytes) -> bytes:
    """The beginning of what is answered to these bytes, one part after the other, as far as they are taken."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = b""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            with contextlib.suppress(ConnectionError):
                for part in parts:
                    writer.write(part)
                    await writer.drain()
            with contextlib.suppress(ConnectionError):
                answer = await reader.read(100)
    finally:
        writer.close()
    return answer


async def key_of(fleet: Fleet) -> str:
    """A key of an operator."""
    return await api_keys.create(fleet.connection, NewKey(client="test", scopes=("admin",), created_by="test"))


async def test_huge_and_packed_bodies_cost_a_bounded_memory(crmd_dsn: str, tmp_path: Path) -> None:
    """Endless bodies, nested ones and bombs of 50 MiB leave nothing behind, and sixty at once cost 2 MiB each."""
    port = free_port()
    async with running_fleet(crmd_dsn, tmp_path, 1, api__listen=f"127.0.0.1:{port}") as fleet:
        key, pid = await key_of(fleet), fleet.daemons[0].pid
        head = HEAD.format(uuid4(), key)
        bomb = gzip.compress(b"0" * 50 * MIB)
        nested = b'{"type": "mark", "payload": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
        endless = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        kinds = {
            b"413": (f"{head}Transfer-Encoding: chunked\r\n\r\n".encode(), *[endless] * 64),
            b"415": (f"{head}Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode(), bomb),
            b"422": (f"{head}Content-Length: {len(nested)}\r\n\r\n".encode(), nested),
        }
        await asyncio.gather(*[sent(port, *parts) for parts in kinds.values()])
        before = resident_mib(pid)
        for status, parts in kinds.items():
            had = resident_mib(pid)
            for _ in range(10):
                assert (await sent(port, *parts)).split(b" ")[1:2] in ([status], [])
            assert resident_mib(pid) - had < LEFT_MIB_MAX[status]
        for status, parts in kinds.items():
            answers = await asyncio.gather(*[sent(port, *parts) for _ in range(SENDERS)])
            assert {answer.split(b" ")[1] for answer in answers if answer} == {status}
            assert sum(bool(answer) for answer in answers) > SENDERS / 2
            assert resident_mib(pid) - before < SENDERS * SENDER_MIB_MAX


async def test_readers_that_do_not_read_cost_a_bounded_memory(crmd_dsn: str, tmp_path: Path) -> None:
    """Hundreds of streams whose readers take nothing, however much there is to tell: a small amount for each."""
    port = free_port()
    settings = {"api__listen": f"127.0.0.1:{port}", "api__streams_per_key_max": "5000"}
    async with (
        running_fleet(crmd_dsn, tmp_path, 1, api__requests_per_minute="100000", **settings) as fleet,
        contextlib.AsyncExitStack() as open_ones,
    ):
        key, pid, workspace_id = await key_of(fleet), fleet.daemons[0].pid, uuid4()
        assert b" 200 " in await watched(open_ones, port, workspace_id, key)
        before = resident_mib(pid)
        for _ in range(0, STREAMS, 100):
            began = await asyncio.gather(*[watched(open_ones, port, workspace_id, key) for _ in range(100)])
            assert {answer.split(b" ")[1] for answer in began} == {b"200"}
        await fleet.enqueue("mark", JOBS, workspace_id=workspace_id)
        await fleet.until("SELECT count(*) FROM crmd.archive", JOBS)
        grown = resident_mib(pid) - before
        assert grown < STREAMS * STREAM_KIB_MAX / 1024, f"{grown:.0f} MiB"
        print(f"{STREAMS} streams: {grown:.0f} MiB")  # noqa: T201 - for whoever asks for more of them


async def watched(open_ones: contextlib.AsyncExitStack, port: int, workspace_id: UUID, key: str) -> bytes:
    """Open a stream with small buffers, read its first line and then nothing more."""
    line = socket.socket()
    open_ones.callback(line.close)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(PATIENCE_SECONDS):
        await loop.sock_connect(line, ("127.0.0.1", port))
        await loop.sock_sendall(line, WATCH.format(workspace_id, key).encode())
        return await loop.sock_recv(line, 64)
