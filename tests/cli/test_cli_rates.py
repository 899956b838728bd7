"""`crmd rates`: what an operator sees of what keeps the outside from being asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_a_pause_is_shown_and_ended(crmd: Run) -> None:
    """A limit that was refused is listed as slowed and its gate as closed; opening it lets the next job through."""
    limits = ("--set", "limits.trial.units=10")
    assert crmd("run-once", "trial-throttled", *limits).code == 0
    [rate] = crmd("rates", "--json").json
    assert (rate["name"], rate["pace"] < 0.6, rate["slowed_for"]) == ("trial", True, "429")
    [gate] = crmd("rates", "gates", "--json").json
    assert (gate["key"], gate["reason"]) == ("limit/trial", "429")
    assert "limit/trial" in crmd("doctor").out
    assert crmd("rates", "open", "limit/tria").code == 2
    assert crmd("rates", "open", "connection/x").code == 2
    assert crmd("rates", "open", "limit/trial", "--json").json == {"key": "limit/trial", "state": "open"}
    assert crmd("rates", "gates", "--json").json == []
    assert "rate\tdeclared" in crmd("rates").out
