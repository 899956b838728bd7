"""`crmd queues` and `crmd limits`, as an operator uses them in a bad hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Run

WORKSPACE = "workspace/0198c0de-0000-7000-8000-000000000001"


def row_of(crmd: Run, command: str, name: str, value: str) -> dict[str, object]:
    """The one row of a list."""
    [row] = [row for row in crmd(command, "--json").json if row[name] == value]
    found: dict[str, object] = row
    return found


def test_a_queue_is_paused_resized_and_goes_on(crmd: Run) -> None:
    """A pause and a size are shown with their reasons and kept in the audit; --reset goes back to the configuration."""
    crmd("migrate")
    assert crmd("queues", "pause", "slow", "--reason", "provider down", "--for", "10m").code == 0
    row = row_of(crmd, "queues", "queue", "slow")
    assert (row["is_paused"], row["why"], row["slots"]) == (True, "provider down", 32)
    assert crmd("queues", "resize", "slow", "--slots", "7", "--fleet", "9", "--reason", "import").code == 0
    row = row_of(crmd, "queues", "queue", "slow")
    assert (row["slots"], row["slots_fleet"], row["is_set"]) == (7, 9, True)
    assert crmd("queues", "resume", "slow").code == 0
    assert "set: import" in crmd("queues").out
    assert crmd("queues", "resize", "slow", "--reset").code == 0
    row = row_of(crmd, "queues", "queue", "slow")
    assert (row["is_paused"], row["slots"], row["slots_fleet"], row["why"]) == (False, 32, None, "")
    acts = [(one["action"], one["target"]) for one in crmd("audit", "--json").json]
    assert ("queues.pause", "queue:slow") in acts
    assert ("queues.resize", "queue:slow") in acts


def test_a_key_is_set_weighed_and_paused(crmd: Run) -> None:
    """What is set of a key is shown as the operator's, a pause with its reason, and both are taken back."""
    crmd("migrate")
    assert crmd("limits", "set", "type:trial-greet", "5", "--reason", "slow API").code == 0
    assert crmd("limits", "weight", WORKSPACE, "3", "--reason", "pays").code == 0
    assert crmd("limits", "pause", "type:trial-greet", "--reason", "writes nonsense").code == 0
    row = row_of(crmd, "limits", "key", "type:trial-greet")
    assert (row["max"], row["set_by"], row["is_closed"], row["why"]) == (5, "operator", True, "writes nonsense")
    assert row_of(crmd, "limits", "key", WORKSPACE)["weight"] == 3
    assert crmd("limits", "resume", "type:trial-greet").code == 0
    assert crmd("limits", "set", "type:trial-greet", "--reset").code == 0
    assert crmd("limits", "weight", WORKSPACE, "--reset").code == 0
    assert not {"type:trial-greet", WORKSPACE} & {row["key"] for row in crmd("limits", "--json").json}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("queues", "pause", "slwo", "--reason", "x"), "Did you mean slow?"),
        (("queues", "pause", "slow"), "No reason is given."),
        (("queues", "resume", "slow"), "queue:slow is not paused."),
        (("queues", "resize", "slow", "--slots", "0", "--reason", "x"), "leaves no room"),
        (("queues", "resize", "slow", "--reason", "x"), "Give a value, or --reset."),
        (("queues", "resize", "slow", "--reset"), "Nothing is set of queue:slow."),
        (("limits", "set", "a key", "5", "--reason", "x"), "is no key"),
        (("limits", "set", "type:x", "-1", "--reason", "x"), ""),
        (("limits", "weight", WORKSPACE, "0", "--reason", "x"), "A weight is between"),
        (("limits", "weight", "x" * 10_000, "1", "--reason", "x"), "is no key"),
    ],
)
def test_what_makes_no_sense_is_refused(crmd: Run, words: tuple[str, ...], sentence: str) -> None:
    """A wrong name, no reason, a size without room and a key that no job can have are told in a sentence."""
    crmd("migrate")
    answer = crmd(*words)
    assert (answer.code, sentence in answer.err, "Traceback" in answer.err) == (2, True, False)


def test_a_key_that_no_job_can_have_is_refused(crmd: Run) -> None:
    """A misspelt job type is named with the nearest one, and nothing is kept of it."""
    crmd("migrate")
    wrong = crmd("limits", "set", "type:trial-great", "5", "--reason", "why not")
    assert wrong.code == 2
    assert "Did you mean trial-greet?" in wrong.err
    assert crmd("limits", "pause", "nonsense", "--reason", "why not").code == 2
    assert not [row for row in crmd("limits", "--json").json if row["is_set"]]
