from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID
from xml.etree import ElementTree as ET

import pytest
from speed.__main__ import main
from speed.database import Database
from speed.draining import Wanted, checked_rate
from speed.drawing import drawn
from speed.failure import BenchError
from speed.figure import Line, Row, lines_of, quantile
from speed.plan import FIGURES, ROWS, chosen
from speed.soak.mix import HUNDRED, KINDS, kind_of
from speed.steady.judging import Account, Measured, judge
from speed.steady.ledger import Start, without_excuse
from speed.steady.phases import PHASES, Passed
from speed.table import plain

if TYPE_CHECKING:
    import asyncpg

BENCH = Path(__file__).parent / "bench"
BASELINE = Row(value="baseline.rate", title="bare", than="baseline.rate")
DRAIN = Row(value="drain.rate", title="drain <of jobs>", than="baseline.rate", least=6.0)
WAIT = Row(value="latency.p99", title="wait", unit="ms", most=2.5, digits=2)
ROUNDS = [
    {"baseline": {"rate": 100.0}, "drain": {"rate": 700.0}, "latency": {"p99": 2.0}},
    {"baseline": {"rate": 200.0}, "drain": {"rate": 1000.0}, "latency": {"p99": 9.0}},
    {"baseline": {"rate": 100.0}, "drain": {"rate": 650.0}, "latency": {"p99": 2.4}},
]
ACCOUNT = Account(acknowledged=10, lost=0, doubled=0, run_again=0, without_excuse=0, exits=0, back_seconds=1.0)


def line(value: float, ratio: float | None, row: Row) -> Line:
    """A line of one round."""
    return Line(row, value, ratio, (value, value))


def test_a_ratio_is_taken_within_its_round() -> None:
    """A machine that is slow for one round changes no ratio: each value is divided by that round's own."""
    [_, drain, wait] = lines_of([BASELINE, DRAIN, WAIT], ROUNDS)
    assert (drain.value, drain.ratio, drain.spread) == (700.0, 6.5, (650.0, 1000.0))
    assert (wait.value, wait.ratio) == (2.4, None)
    assert (drain.is_reached, wait.is_reached) == (True, True)


def test_what_was_not_measured_has_no_line() -> None:
    """A row without values is left out, as the oldest server's is where it is not installed."""
    assert [one.row for one in lines_of(ROWS, [{"baseline": {"rate": 1.0}, "oldest": {}}])] == [ROWS[0]]


@pytest.mark.parametrize(
    ("measured", "is_reached", "share"),
    [
        (line(600.0, 6.0, DRAIN), True, 1.0),
        (line(9000.0, 5.9, DRAIN), False, 5.9 / 6),
        (line(2.5, None, WAIT), True, 1.0),
        (line(5.0, None, WAIT), False, 0.5),
        (line(5.0, 1.0, BASELINE), None, None),
    ],
)
def test_a_bar_is_reached_or_missed(measured: Line, is_reached: bool | None, share: float | None) -> None:  # noqa: FBT001 - a case of a table
    """At least means the ratio, at most means the value, and what has no bar is not judged."""
    assert measured.is_reached is is_reached
    assert measured.share == share


def test_a_quantile_is_one_of_the_values() -> None:
    """p99 of 300 is the 297th: so many are not longer."""
    values = [float(number) for number in range(1, 301)]
    assert [quantile(values, share) for share in (0.5, 0.99, 1.0)] == [150.0, 297.0, 300.0]
    assert quantile([7.0], 0.5) == 7.0


def test_a_figure_brings_what_it_is_compared_to() -> None:
    """`ONLY=latency` measures the baseline of the same round, too."""
    assert [figure.name for figure in chosen(["latency"])] == ["baseline", "latency"]
    assert chosen([]) == list(FIGURES)
    with pytest.raises(BenchError, match="there is no figure speed"):
        chosen(["speed"])


def test_every_row_belongs_to_a_figure() -> None:
    """No row can stay empty for a misspelt name, and what it is divided by is measured with it."""
    needs = {figure.name: {figure.name, *figure.needs} for figure in FIGURES}
    for row in ROWS:
        name = row.value.partition(".")[0]
        assert row.than is None or row.than.partition(".")[0] in needs[name]


def test_the_drawing_is_well_formed() -> None:
    """The SVG is XML, whatever a title holds, with a bar for each figure that has something to reach."""
    lines = [line(1.0, 1.0, BASELINE), line(9e9, 99.0, DRAIN), line(5.0, None, WAIT)]
    tree = ET.fromstring(drawn(lines, "crmd & <others>"))  # noqa: S314 - it was just written here
    bars = tree.findall("{http://www.w3.org/2000/svg}polygon")
    assert [bar.get("class") for bar in bars] == ["reached", "missed"]


def test_the_table_says_what_is_missed() -> None:
    """Each line names its bar, and a missed one cannot be overlooked."""
    text = plain([line(600.0, 6.0, DRAIN), line(5.0, None, WAIT)])
    reached, missed = text.splitlines()[1:]
    assert "600 /s" in reached
    assert "6.0 x pgbench" in reached
    assert reached.endswith("reached")
    assert "2.50 ms at most" in missed
    assert missed.endswith("MISSED")


def test_what_ran_when_its_daemon_was_killed_may_run_again() -> None:
    """Any other second start is a fault: of a daemon that lives, long before the kill, or after a first excused one."""
    starts = {
        1: [Start(7, 10.0)],
        2: [Start(7, 10.0), Start(8, 40.0)],
        3: [Start(8, 10.0), Start(7, 40.0)],
        4: [Start(7, 1.0), Start(8, 40.0)],
        5: [Start(7, 10.0), Start(8, 40.0), Start(8, 41.0)],
    }
    assert without_excuse(starts, {7: 10.5}) == [3, 4, 5]


def passed(wait: float, done: int) -> Measured:
    """The clean phase, of a hundred jobs."""
    phase = Passed(
        phase=PHASES[0],
        first=0,
        last=99,
        ended_at=datetime.now(UTC),
        backlog=0,
        dead_rows=0,
        wal_bytes=0.0,
        daemon_seconds=0.0,
        server_seconds=0.0,
    )
    return Measured(passed=phase, done=done, waits_ms=(1.0, 2.0, wait))


def test_whatever_is_broken_is_said() -> None:
    """Each promise of the steady table fails by itself, and all hold when nothing went wrong."""
    assert all(must.holds for must in judge([passed(99.0, 97)], ACCOUNT))
    for measured, account in (
        (passed(100.0, 97), ACCOUNT),
        (passed(99.0, 96), ACCOUNT),
        *[
            (passed(99.0, 97), replace(ACCOUNT, **{name: 3}))
            for name in ("lost", "doubled", "without_excuse", "exits", "back_seconds")
        ],
    ):
        assert sum(not must.holds for must in judge([measured], account)) == 1


def test_the_soak_does_all_kinds_of_work() -> None:
    """Of any hundred jobs in a row as many are of each kind as is said."""
    kinds = [kind_of(number) for number in range(1234, 1234 + HUNDRED)]
    assert {kind: kinds.count(kind) for kind in KINDS} == KINDS
    assert kinds.count("nothing") == HUNDRED - sum(KINDS.values())


async def test_a_job_that_was_done_twice_gives_no_rate(outside: asyncpg.Connection[asyncpg.Record]) -> None:
    """A drain whose jobs were not done once each fails, so that its figure is never told."""
    columns = "run_at, created_at, started_at, finished_at, max_attempts, crash_count, snooze_count, status, type"
    await outside.execute(
        f"INSERT INTO crmd.archive (id, attempt, fence, {columns}, queue, priority, payload) SELECT id, 1, 1, now(), "
        "now(), now(), now() + n * interval '1 second', 1, 0, 0, 'completed', 'no-op', 'fast', 'normal', '{}' "
        "FROM generate_series(1, 2) n, (VALUES ('00000000-0000-7000-8000-000000000001'::uuid)) j (id)"
    )
    database = Database(None, "", Path(), outside)  # type: ignore[arg-type]  # only its connection is used
    with pytest.raises(BenchError, match="2 ends of 1 jobs, 2 attempts"):
        await checked_rate(database, Wanted("no-op", 2, UUID(int=0)))
    await outside.execute("DELETE FROM crmd.archive WHERE finished_at > now() + interval '1.5 seconds'")
    assert await checked_rate(database, Wanted("no-op", 1, UUID(int=0))) > 0


def test_no_table_is_printed_when_a_check_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1, standard error says why, and standard output stays empty."""

    def fail(*_: object) -> None:
        raise BenchError("a job was lost")

    monkeypatch.setattr("speed.__main__.prepared_ground", fail)
    assert main(["--only", "drain"]) == 1
    answer = capsys.readouterr()
    assert answer.out == ""
    assert "a job was lost" in answer.err


async def test_a_tiny_run(tmp_path: Path) -> None:
    """From its own server to table, JSON and drawing: the tool works."""
    command = [sys.executable, "-m", "speed", "--only", "drain", "--rounds", "1", "--jobs", "500"]
    files = ["--json", str(tmp_path / "bench.json"), "--svg", str(tmp_path / "bench.svg")]
    environ = {**os.environ, "PYTHONPATH": str(BENCH)}
    process = await asyncio.create_subprocess_exec(
        *command, *files, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, errors = await process.communicate()
    assert process.returncode in {0, 2}, errors.decode()
    assert "drain, one daemon" in out.decode()
    kept = json.loads((tmp_path / "bench.json").read_text())
    assert kept["rounds"][0]["drain"]["rate"] > 0
    assert {line["figure"] for line in kept["table"]} == {"baseline.rate", "drain.rate", "drain.wal", "drain.wal_all"}
    assert ET.parse(tmp_path / "bench.svg").getroot().tag.endswith("svg")  # noqa: S314 - it was just written here
