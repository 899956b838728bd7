"""`crmd chaos` on the command line: what it tells, and how it ends. The run itself is made up here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from crmd.chaos.history import History, Left
from crmd.chaos.report import Facts, make_report
from crmd.chaos.watch import Watch
from crmd.cli import main
from crmd.errors import CrmdError, ExitCode

if TYPE_CHECKING:
    from crmd.chaos.options import Options
    from crmd.chaos.report import Report
    from crmd.chaos.running import Progress

JOB = UUID(int=7)


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> dict[str, History | CrmdError]:
    """What the next run finds, or raises, under the name `next`."""
    found: dict[str, History | CrmdError] = {"next": History()}

    async def pretended(options: Options, on_progress: Progress) -> Report:
        on_progress("storm", Watch(""), 3)
        match found["next"]:
            case History() as known:
                facts = Facts(
                    seed=options.seed,
                    seconds=options.seconds,
                    settle_seconds=1.0,
                    connections_most=1,
                    connections_allowed=50,
                    doubts=2,
                    skipped=0,
                )
                return make_report(known, facts)
            case CrmdError() as error:
                raise error

    monkeypatch.setattr("crmd.cli.chaos.run_chaos", pretended)
    return found


def test_a_run_that_holds_ends_well(
    history: dict[str, History | CrmdError], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each invariant has its row, the seed is told, and nothing is left behind."""
    assert main(["chaos", "--seed", "3"]) == ExitCode.OK
    told = capsys.readouterr()
    assert "I14\t" in told.out
    assert "Nothing lost, nothing doubled, nothing stale. Seed 3." in told.err
    assert "are in" not in told.err


def test_a_breach_ends_with_one(history: dict[str, History | CrmdError], capsys: pytest.CaptureFixture[str]) -> None:
    """The breach, its timeline, the way to repeat it and the place of the logs are told."""
    history["next"] = History(left=[Left(JOB, "chaos-work", "crmd.job")])
    assert main(["chaos", "--seed", "3"]) == ExitCode.FAILED
    told = capsys.readouterr().err
    assert f"I11: {JOB} chaos-work has not ended" in told
    assert f"-- I11 {JOB}" in told
    assert "crmd chaos --seconds 60 --seed 3" in told
    folder = Path(told.rsplit(" are in ", 1)[1].split(". ")[0].split(".\n")[0])
    assert folder.is_dir()
    shutil.rmtree(folder)


def test_a_report_is_one_document(history: dict[str, History | CrmdError], capsys: pytest.CaptureFixture[str]) -> None:
    """With --json the whole report is on standard output."""
    assert main(["chaos", "--json"]) == ExitCode.OK
    told = json.loads(capsys.readouterr().out)
    assert told["holds"] is True
    assert [verdict["code"] for verdict in told["verdicts"]][:2] == ["I1", "I2"]


def test_what_keeps_it_from_starting_is_a_sentence(
    history: dict[str, History | CrmdError], capsys: pytest.CaptureFixture[str]
) -> None:
    """An operator's error leaves as one."""
    history["next"] = CrmdError("The daemons did not start.")
    assert main(["chaos"]) == ExitCode.FAILED
    assert "crmd: The daemons did not start." in capsys.readouterr().err
