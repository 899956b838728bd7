from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_a_job_is_enqueued_shown_and_cancelled(crmd: Run) -> None:
    """A job that is due later is listed as scheduled, is found by the beginning of its id, and can be cancelled."""
    enqueued = crmd("enqueue", "trial-greet", "--in", "1h", "--priority", "low", "--json").json
    assert enqueued["is_new"]
    prefix = enqueued["id"][:18]
    [listed] = crmd("jobs", "list", "--status", "scheduled", "--json").json
    assert (listed["id"], listed["priority"]) == (enqueued["id"], "low")
    assert crmd("jobs", "show", prefix, "--json").json["payload"] == {"count": 3}
    assert crmd("jobs", "cancel", prefix, "--json").json["answer"] == "cancelled"
    again = crmd("jobs", "cancel", prefix)
    assert again.code == 1
    assert "has ended already: cancelled" in again.err


def test_a_unique_key_is_kept(crmd: Run) -> None:
    """A second job with the same unique key is the first one."""
    first = crmd("enqueue", "trial-greet", "--unique-key", "a", "--json").json
    second = crmd("enqueue", "trial-greet", "--unique-key", "a", "--json").json
    assert (second["id"], second["is_new"]) == (first["id"], False)


def test_what_becomes_of_a_taken_key_is_asked_and_told(crmd: Run) -> None:
    """Every option of a conflict reaches the job, and the answer says what was done."""
    keyed = ("enqueue", "trial-greet", "--unique-key", "a", "--json")
    first = crmd(*keyed, "--in", "1h").json
    again = crmd(
        *keyed, "--in", "3h", "--on-conflict", "push_back", "--max-delay", "2h", "--payload", '{"count": 9}'
    ).json
    assert (again["id"], again["is_new"], again["answer"]) == (first["id"], False, "pushed_back")
    shown = crmd("jobs", "show", first["id"], "--json").json
    assert shown["payload"] == {"count": 9}
    held = crmd("enqueue", "trial-greet", "--after", first["id"], "--expires-in", "5m", "--json").json
    assert held["answer"] == "created"
    refused = crmd("enqueue", "trial-greet", "--unique-key", "b", "--scope", "for")
    assert refused.code == 2
    assert "needs unique_seconds" in refused.err


def test_an_ended_job_is_retried_as_a_new_one(crmd: Run) -> None:
    """A dead job is run again under a new id; a waiting one is not."""
    crmd("run-once", "trial-fail")
    [dead] = crmd("jobs", "--json").json
    again = crmd("jobs", "retry", dead["id"], "--json").json
    assert again["id"] != dead["id"]
    refused = crmd("jobs", "retry", again["id"])
    assert refused.code == 1
    assert "has not ended yet" in refused.err


def test_an_ambiguous_beginning_is_refused(crmd: Run) -> None:
    """A beginning that two ids share names no job."""
    crmd("enqueue", "trial-greet")
    crmd("enqueue", "trial-greet")
    answer = crmd("jobs", "show", "0")
    assert answer.code == 2
    assert "More than one job's id begins with 0" in answer.err


def test_watching_an_ended_job_tells_how_it_ended(crmd: Run) -> None:
    """`jobs watch` ends with 0 for a completed job and with 1 for a dead one."""
    done = crmd("run-once", "trial-greet", "--json").json["id"]
    crmd("run-once", "trial-fail")
    dead = next(row["id"] for row in crmd("jobs", "--json").json if row["status"] == "dead")
    assert crmd("jobs", "watch", done).code == 0
    assert crmd("jobs", "watch", dead).code == 1


def test_schedules_show_their_next_ticks_and_can_rest(crmd: Run) -> None:
    """A schedule is shown with its next three ticks; a paused one has none."""
    crmd("migrate")
    [schedule] = crmd("schedules", "--json").json
    assert schedule["id"] == "trial/trial-greet"
    assert len(schedule["next_ticks"]) == 3
    assert all("T06:00:00" in tick for tick in schedule["next_ticks"])
    assert crmd("schedules", "pause", schedule["id"]).code == 0
    assert crmd("schedules", "--json").json[0]["next_ticks"] == []
    assert crmd("schedules", "resume", schedule["id"]).code == 0
    assert len(crmd("schedules", "--json").json[0]["next_ticks"]) == 3
