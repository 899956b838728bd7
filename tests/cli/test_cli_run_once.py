from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import asyncpg
import pytest

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from tests.cli.conftest import Run

TRY_AGAIN, INTERRUPTED = 75, 130


async def rows(environment: dict[str, str], query: str) -> list[asyncpg.Record]:
    """What the database holds."""
    connection = await asyncpg.connect(environment["CRMD__DATABASE__DSN"])
    try:
        found: list[asyncpg.Record] = await connection.fetch(query)
        return found
    finally:
        await connection.close()


def test_a_job_runs_and_its_result_is_shown(crmd: Run) -> None:
    """A job runs to its end through lease and settle, and its result is on standard output."""
    answer = crmd("run-once", "trial-hello", "--payload", '{"count": 2}', "--json")
    assert answer.code == 0, answer.err
    assert answer.json["type"] == "trial-greet"
    assert answer.json["status"] == "completed"
    assert answer.json["result"] == {"greeted": 2}
    assert answer.json["progress"]["succeeded"] == 2


def test_a_payload_comes_from_a_file(crmd: Run, tmp_path: Path) -> None:
    """`--payload @file` reads the payload from a file."""
    (tmp_path / "payload.json").write_text('{"count": 5}')
    answer = crmd("run-once", "trial-greet", "--payload", "@payload.json", "--json")
    assert answer.json["result"] == {"greeted": 5}


def test_a_failing_job_ends_with_its_error(crmd: Run) -> None:
    """A job that fails for good ends the command with 1 and its error in a sentence, without a traceback."""
    answer = crmd("run-once", "trial-fail")
    assert answer.code == 1
    assert "trial-fail dead: the dog ate it" in answer.err
    assert "crmd jobs show" in answer.err
    assert "Traceback" not in answer.err


def test_a_retry_is_waited_for(crmd: Run) -> None:
    """A job that fails once is run again after its backoff, in the same command."""
    answer = crmd("run-once", "trial-flaky", "--json")
    assert answer.code == 0, answer.err
    assert (answer.json["attempt"], answer.json["result"]) == (2, "at last")


def test_children_run_too(crmd: Run) -> None:
    """A parent ends when its children have ended, which the same command runs."""
    answer = crmd("run-once", "trial-family", "--payload", '{"count": 4}', "--json")
    assert answer.code == 0, answer.err
    assert answer.json["children"]["completed"] == 4
    assert answer.json["result"]["children"]["sums"] == {"sum": 6}


async def test_a_full_limit_is_named_and_nothing_is_enqueued(crmd_process: Run, environment: dict[str, str]) -> None:
    """A job that its limit does not let run ends the command with 75 and the limit's name; none is left behind."""
    answer = crmd_process("run-once", "trial-single", "--set", "jobs.trial-single.enabled=false")
    assert answer.code == TRY_AGAIN
    assert "type:trial-single" in answer.err
    assert "--wait" in answer.err
    assert await rows(environment, "SELECT id FROM crmd.jobs") == []


async def test_a_dry_run_enqueues_nothing(crmd_process: Run, environment: dict[str, str]) -> None:
    """`--dry-run` says what would happen, checks payload and limits, and leaves no row."""
    answer = crmd_process("run-once", "trial-single", "--dry-run", "--json")
    assert answer.code == 0, answer.err
    assert "nothing was enqueued" in answer.json["would"]
    full = crmd_process("run-once", "trial-single", "--dry-run", "--set", "jobs.trial-single.enabled=false")
    assert full.code == TRY_AGAIN
    assert await rows(environment, "SELECT id FROM crmd.jobs") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_ctrl_c_gives_the_job_back(environment: dict[str, str], tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C ends the command with 130 and no traceback; the job waits again, with its attempt given back."""
    process = subprocess.Popen(  # noqa: ASYNC220 - our own command; nothing else runs in this loop
        [sys.executable, "-m", "crmd", "run-once", "trial-endless", "--set", "daemon.drain_seconds=3600"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    assert process.stdout is not None
    try:
        assert process.stderr.readline().decode() == "Opening the database …\n"
        line = process.stderr.readline().decode()
        assert line.startswith("trial-endless: running"), line
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.stdout.close()
        process.stderr.close()
    assert process.returncode == INTERRUPTED, err
    assert out == b""
    assert b"Traceback" not in err
    [row] = await rows(environment, "SELECT status, attempt, crash_count FROM crmd.jobs")
    assert tuple(row) == ("pending", 0, 0)
    assert await rows(environment, "SELECT id FROM crmd.daemon WHERE lease_until > crmd.clock()") == []


async def test_wait_lets_a_gate_open(crmd_process: Run, environment: dict[str, str]) -> None:
    """A closed gate is named with 75; with --wait the job runs once it has opened by itself."""
    await rows(
        environment,
        "INSERT INTO crmd.gate VALUES ('type:trial-single', crmd.clock() + interval '1 hour', 'maintenance', now())",
    )
    answer = crmd_process("run-once", "trial-single")
    assert answer.code == TRY_AGAIN
    assert "maintenance" in answer.err
    await rows(environment, "UPDATE crmd.gate SET closed_until = crmd.clock() + interval '2 seconds'")
    waited = crmd_process("run-once", "trial-single", "--wait", "--json")
    assert waited.code == 0, waited.err
    assert waited.json["result"] == "done"


def test_the_debugger_stops_where_the_handler_raised(crmd: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--pdb` opens the debugger on the handler's own frame; the job fails as it would have."""
    seen: list[str] = []

    def look(traceback: TracebackType) -> None:
        while traceback.tb_next is not None:
            traceback = traceback.tb_next
        seen.append(traceback.tb_frame.f_code.co_name)

    monkeypatch.setattr("crmd.cli.post_mortem.pdb.post_mortem", look)
    assert crmd("run-once", "trial-fail", "--pdb").code == 1
    assert seen == ["fail"]
