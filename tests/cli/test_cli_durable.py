"""Durable jobs on the command line: their steps are shown, and an ended one is taken up where it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_steps_are_shown_and_taken_up(crmd: Run) -> None:
    """`jobs show` lists the steps; `jobs retry` starts anew, behind them, or at one of them; others are refused."""
    crmd("run-once", "trial-stepwise", "--payload", '{"count": 2}')
    [dead] = crmd("jobs", "list", "--type", "trial-stepwise", "--json").json
    shown = crmd("jobs", "show", dead["id"], "--json").json
    assert [step["name"] for step in shown["steps"]] == ["first", "gather", "sleep"]
    assert all(step["finished_at"] for step in shown["steps"])
    assert "gather" in crmd("jobs", "show", dead["id"]).out
    children = crmd("jobs", "list", "--batch", dead["id"], "--json").json
    assert [child["type"] for child in children] == ["trial-greet", "trial-greet"]
    for how, kept in (
        ((), []),
        (("--resume",), ["first", "gather", "sleep"]),
        (("--from-step", "sleep"), ["first", "gather"]),
    ):
        again = crmd("jobs", "retry", dead["id"], *how, "--json").json["id"]
        steps = crmd("jobs", "show", again, "--json").json["steps"]
        assert [step["name"] for step in steps] == kept
    refused = crmd("jobs", "retry", dead["id"], "--from-step", "gathr")
    assert refused.code == 2
    assert "has kept no step 'gathr'" in refused.err
    assert "first, gather, sleep" in refused.err


def test_failed_items_belong_to_one_job(crmd: Run) -> None:
    """The failed items of a job are named in its successor; of many jobs at once they are refused."""
    crmd("run-once", "trial-stepwise", "--payload", '{"count": 0}')
    [dead] = crmd("jobs", "list", "--type", "trial-stepwise", "--json").json
    again = crmd("jobs", "retry", dead["id"], "--failed-items", "--json").json["id"]
    assert crmd("jobs", "show", again, "--json").json["meta"]["failedItemsOf"] == dead["id"]
    refused = crmd("jobs", "retry", "--type", "trial-stepwise", "--failed-items", "--yes")
    assert refused.code == 2
    assert "those of one job" in refused.err
