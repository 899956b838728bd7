"""`crmd effects`, as an operator uses it after a doubt."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_a_doubt_is_listed_and_resolved(crmd: Run) -> None:
    """An unknown effect is listed with its job, key, age and what to do; once resolved its job goes on."""
    held = crmd("run-once", "trial-send")
    assert (held.code, "crmd effects list --unknown" in held.err) == (75, True)
    [effect] = crmd("effects", "--unknown", "--json").json
    [job] = crmd("jobs", "--type", "trial-send", "--json").json
    assert (effect["kind"], effect["key"], effect["reason"]) == ("mail", "ann@example.com", "OSError")
    assert (effect["job_id"], job["status"], job["attempt"]) == (job["id"], "pending", 0)
    assert f"crmd effects resolve {effect['id']} --sent" in crmd("effects", "list", "--unknown").out
    assert "nobody knows" in crmd("doctor").out
    answer = crmd("effects", "resolve", effect["id"], "--sent", "--receipt", '{"id": "m-1"}', "--json")
    assert answer.json == {"id": effect["id"], "state": "confirmed"}
    assert crmd("effects", "--unknown", "--json").json == []
    assert crmd("effects", "show", effect["id"], "--json").json["receipt"] == {"id": "m-1"}
    assert crmd("effects", "counts", "--json").json == [{"kind": "mail", "state": "confirmed", "effects": 1}]
    assert crmd("audit", "--action", "effects.resolve", "--json").json[0]["target"] == effect["id"]
    assert crmd("run-once", "trial-send", "--json").json["result"] == {"id": "m-1"}


def test_what_is_known_cannot_be_resolved(crmd: Run) -> None:
    """Only what nobody knows is resolved; a receipt belongs to what was sent; an id has to name one effect."""
    crmd("run-once", "trial-send")
    [effect] = crmd("effects", "--json").json
    assert crmd("effects", "resolve", effect["id"], "--not-sent", "--receipt", "{}").code == 2
    assert crmd("effects", "resolve", effect["id"], "--sent", "--receipt", "{").code == 2
    assert crmd("effects", "resolve", effect["id"]).code == 2
    assert crmd("effects", "resolve", effect["id"], "--not-sent").code == 0
    again = crmd("effects", "resolve", effect["id"], "--sent")
    assert (again.code, "it is refused" in again.err) == (1, True)
    assert crmd("effects", "show", "ffff").code == 2
