"""What it costs to run a job that does nothing in the loop, in a thread, and in a process of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))

from fleet import install_plugin

from crmd.embedded.supervisor import temporary_embedded

JOBS = int(os.environ.get("BENCH_JOBS", "200"))
WAIT_SECONDS = 300
DONE = "SELECT count(*) FROM crmd.archive WHERE type = $1 AND status = 'completed'"


async def main() -> None:
    """Print a line for each place, one job at a time and eight at a time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        install_plugin(folder / "site", "bench", "isolated_plugin_bench")
        for slots in (1, 8):
            async with temporary_embedded() as server:
                await _measure(server.dsn.reveal(), folder, slots)


async def _measure(dsn: str, folder: Path, slots: int) -> None:
    environ = {
        **{key: value for key, value in os.environ.items() if not key.startswith("CRMD")},
        "PYTHONPATH": os.pathsep.join([str(folder / "site"), str(Path(__file__).parent)]),
        "CRMD__DATABASE__DSN": dsn,
        "CRMD__PLUGINS__ENABLED": '["bench"]',
        "CRMD__DAEMON__STATE_DIR": str(folder / "state"),
        "CRMD__QUEUES__FAST__SLOTS": str(slots),
    }
    daemon = await asyncio.to_thread(_started, environ, folder)
    connection = await asyncpg.connect(dsn)
    try:
        for job_type in ("in-loop", "in-thread", "in-process"):
            first = await _run(connection, job_type, 1)
            many = await _run(connection, job_type, JOBS)
            words = f"{job_type:11} {slots} at a time: the first {first * 1000:7.1f} ms"
            sys.stdout.write(f"{words}, then {many / JOBS * 1000:7.2f} ms a job\n")
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
        await connection.close()


def _started(environ: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "daemon.log").open("ab") as log:
        subprocess.run([sys.executable, "-m", "crmd", "migrate"], env=environ, check=True, stdout=log, stderr=log)
        return subprocess.Popen([sys.executable, "-m", "crmd", "run"], env=environ, stdout=log, stderr=log)


async def _run(connection: asyncpg.Connection[asyncpg.Record], job_type: str, count: int) -> float:
    wanted = count + await connection.fetchval(DONE, job_type)
    began = time.perf_counter()
    await connection.fetch("SELECT crmd.enqueue($1) FROM generate_series(1, $2)", job_type, count)
    while await connection.fetchval(DONE, job_type) < wanted:
        if time.perf_counter() - began > WAIT_SECONDS:
            raise SystemExit(f"check failed: {count} jobs of {job_type} were not done within {WAIT_SECONDS} s")
        await asyncio.sleep(0.002)
    return time.perf_counter() - began


if __name__ == "__main__":
    asyncio.run(main())
