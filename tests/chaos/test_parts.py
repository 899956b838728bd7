"""The parts of chaos on their own: what is offered, where the database is, what a command line may ask for."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sys
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit
from uuid import UUID

import asyncpg
import pytest

from crmd.chaos.fleet import Place
from crmd.chaos.history import History
from crmd.chaos.link import Link, linked
from crmd.chaos.offering import WEIGHTS, batches
from crmd.chaos.receiver import receiving
from crmd.chaos.report import Facts, make_report
from crmd.chaos.scratch import others_server, through
from crmd.chaos.workload.mark import Mark, read_marks
from crmd.cli import main
from crmd.embedded.folders import SOCKET_NAME
from crmd.errors import ExitCode, UnreachableError, UsageError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path


def test_the_same_seed_offers_the_same_jobs() -> None:
    """What the client asks for is a function of the seed, and no key comes twice."""
    first = list(islice(batches(3, 12, 25.0), 400))
    assert first == list(islice(batches(3, 12, 25.0), 400))
    keys = [task.key for batch in first for task in batch.tasks]
    assert len(set(keys)) == len(keys)
    assert {batch.job_type for batch in first} == set(WEIGHTS) - {"chaos-long"}


def test_a_link_takes_the_servers_place() -> None:
    """The address behind a link keeps user, password and database, and goes to this machine."""
    assert through("postgresql://u:p%40@db.example.com:6432/x?sslmode=require", 4000) == (
        "postgresql://u:p%40@127.0.0.1:4000/x?sslmode=require"
    )
    assert (
        through("postgresql://u:p@/x?host=%2Ftmp&sslmode=disable", 1)
        == "postgresql://u:p@127.0.0.1:1/x?sslmode=disable"
    )


@pytest.mark.parametrize("dsn", ["nonsense", "postgresql:///x", "postgresql://user:word@host/x"])
async def test_addresses_that_are_none_or_hold_a_password_are_refused(dsn: str) -> None:
    """A URL needs a server and a user, and never holds a password, which others could read."""
    with pytest.raises(UsageError):
        async with others_server(dsn, None):
            pass


async def test_a_receiver_takes_and_finds() -> None:
    """Whatever is sent is taken, even twice, and is found afterwards."""
    async with receiving(1) as receiver:

        async def ask(line: str) -> str:
            reader, writer = await asyncio.open_connection("127.0.0.1", receiver.port)
            writer.write(f"{line}\n".encode())
            answer = await reader.readline()
            writer.close()
            return answer.decode().strip()

        assert await ask("find a") == "none"
        assert await ask("take a") == "1"
        assert await ask("take a") == "1"
        assert await ask("find a") == "1"
        assert [taken.key for taken in receiver.taken] == ["a", "a"]


def test_the_ledger_is_read_in_its_order(tmp_path: Path) -> None:
    """Each line of the ledger is a mark; a ledger that nobody wrote is empty."""
    mark = Mark("begin", UUID(int=1), 1, UUID(int=2), 3, 4.0)
    ledger = tmp_path / "ledger"
    assert list(read_marks(ledger)) == []
    ledger.write_text(f'["begin","{mark.job_id}",1,"{mark.claim_id}",3,4.0,""]\n' * 2)
    assert list(read_marks(ledger)) == [mark, mark]


def test_an_empty_run_has_a_report() -> None:
    """Where nothing was seen nothing is claimed: figures say so."""
    facts = Facts(seed=1, seconds=1, settle_seconds=1, connections_most=0, connections_allowed=50, doubts=0, skipped=0)
    report = make_report(History(), facts)
    assert report.holds
    assert {bar.figure for bar in report.bars if bar.is_met is None} == {"not seen"}


def test_the_plan_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """`--plan` shows what a seed does, and does nothing."""
    assert main(["chaos", "--plan", "--json", "--seed", "7", "--seconds", "60"]) == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert told["seed"] == 7
    assert told["plan"][0]["kind"] == "poison"


@pytest.mark.parametrize(
    "words",
    [
        ["--daemons", "1"],
        ["--daemons", "10"],
        ["--seconds", "1"],
        ["--seconds", "nan"],
        ["--rate", "0"],
        ["--dsn", "nonsense"],
        ["--dsn", "postgresql://user@host:port/x"],
        ["--dsn", "postgresql://user:word@host/x"],
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Bounds of the flags are told in a sentence, and nothing else is said."""
    assert main(["chaos", *words]) == ExitCode.USAGE
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("crmd: --")


@contextlib.asynccontextmanager
async def reached(dsn: str) -> AsyncIterator[tuple[str, str | None]]:
    """The server of the tests as somebody else's: over TCP, without the password, and the password."""
    parts = urlsplit(dsn)
    folder = parse_qs(parts.query).get("host", [""])[0]
    host, port = (f"{folder}/{SOCKET_NAME}", 0) if folder else (parts.hostname or "", parts.port or 5432)
    async with linked(host, port) as link:
        address = urlsplit(through(dsn, link.port))
        place = f"{parts.username}@127.0.0.1:{link.port}"
        yield urlunsplit(address._replace(netloc=place)), unquote(parts.password) if parts.password else None


async def databases(dsn: str) -> set[str]:
    """Those of chaos on a server."""
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'crmd_chaos_%'")
    finally:
        await connection.close()
    return {row["datname"] for row in rows}


async def test_a_database_is_made_on_somebodys_server(crmd_dsn: str) -> None:
    """It is there within the block, holds nothing, is not ours to stop, and is gone afterwards."""
    before = await databases(crmd_dsn)
    async with reached(crmd_dsn) as (dsn, word), others_server(dsn, word) as scratch:
        assert not scratch.is_ours
        [name] = await databases(crmd_dsn) - before
        connection = await asyncpg.connect(scratch.dsn)
        assert await connection.fetchval("SELECT current_database()") == name
        await connection.close()
        with pytest.raises(RuntimeError, match="not ours"):
            await scratch.halt(is_crash=True)
    assert await databases(crmd_dsn) == before


async def test_a_database_in_use_is_refused(crmd_dsn: str) -> None:
    """A database that holds tables of crmd is somebody's work: it is not even used to make another one."""
    connection = await asyncpg.connect(crmd_dsn)
    await connection.execute("CREATE SCHEMA crmd")
    await connection.close()
    async with reached(crmd_dsn) as (dsn, word):
        with pytest.raises(UsageError, match="somebody's work"):
            async with others_server(dsn, word):
                pass


async def test_a_server_that_is_away_is_told() -> None:
    """Nobody there is one sentence."""
    with pytest.raises(UnreachableError):
        async with others_server("postgresql://somebody@127.0.0.1:1/postgres", None):
            pass


async def test_an_end_has_its_cause(tmp_path: Path) -> None:
    """Whoever is killed is noted as killed; where nobody runs nothing is noted, for the next one is innocent."""
    place = Place(0, Link("127.0.0.1", 1), tmp_path / "log")
    assert not place.end(signal.SIGKILL, "kill")
    assert place.cause == ""
    place.process = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    assert place.end(signal.SIGKILL, "kill")
    assert place.cause == "kill"
    assert await place.process.wait() == -signal.SIGKILL
    assert place.pid is None
