from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


def test_dead_letters_are_grouped_by_cause_and_redriven_once(crmd: Run) -> None:
    """Jobs that died of the same cause are one group; a redrive makes a new job of each, and none a second time."""
    for _ in range(3):
        crmd("run-once", "trial-fail")
    [group] = crmd("dead", "--json").json
    assert (group["type"], group["jobs"], group["class"]) == ("trial-fail", 3, "ValueError")
    assert len(crmd("dead", "show", group["cause"], "--json").json) == 3
    assert crmd("dead", "redrive", group["cause"], "--dry-run", "--json").json["would_redrive"] == 3
    assert crmd("dead", "redrive", group["cause"], "--yes", "--json").json == {"redriven": 3}
    assert crmd("dead", "--json").json == []
    again = crmd("jobs", "list", "--status", "pending", "--json").json
    assert len(again) == 3
    assert all(crmd("jobs", "show", row["id"], "--json").json["meta"]["retriedFrom"] for row in again)


def test_a_redrive_keeps_its_rate_over_pages(crmd: Run) -> None:
    """With two a second, the fifth letter is due two seconds after the first."""
    for _ in range(5):
        crmd("run-once", "trial-fail")
    crmd("dead", "redrive", "--all", "--per-second", "2", "--yes")
    due = sorted(row["run_at"] for row in crmd("jobs", "list", "--json", "--limit", "5").json)
    seconds = [float(at.split(":")[-1].removesuffix("Z").split("+")[0]) for at in due]
    assert round((seconds[-1] - seconds[0]) % 60, 1) == 2.0


def test_a_redrive_with_a_bad_patch_touches_nothing(crmd: Run) -> None:
    """A patch that does not fit one job's type is refused before the first job is redriven; null takes a field away."""
    crmd("run-once", "trial-picky", "--payload", '{"count": 1}')
    bad = crmd("dead", "redrive", "--all", "--patch", '{"count": "many"}', "--yes")
    assert bad.code == 2
    assert "$.count" in bad.err
    [group] = crmd("dead", "--json").json
    assert group["jobs"] == 1
    assert crmd("dead", "redrive", "--all", "--patch", '{"count": 7}', "--yes").code == 0
    [job] = crmd("jobs", "--status", "pending", "--json").json
    assert crmd("jobs", "show", job["id"], "--json").json["payload"] == {"count": 7}


def test_many_are_touched_only_when_somebody_agrees(crmd: Run) -> None:
    """Without --yes and without a terminal nothing is done; without a filter nothing is meant."""
    crmd("enqueue", "trial-greet", "--in", "1h")
    refused = crmd("jobs", "cancel", "--type", "trial-greet")
    assert refused.code == 2
    assert "--yes" in refused.err
    assert crmd("jobs", "cancel").code == 2
    assert crmd("dead", "redrive").code == 2
    assert len(crmd("jobs", "--status", "scheduled", "--json").json) == 1


def test_jobs_are_cancelled_by_a_filter(crmd: Run) -> None:
    """A dry run shows what the filter selects; the action touches those jobs and no other."""
    for _ in range(3):
        crmd("enqueue", "trial-greet", "--in", "1h")
    crmd("enqueue", "trial-fail", "--in", "1h")
    [row] = crmd("jobs", "cancel", "--type", "trial-greet", "--dry-run", "--json").json
    assert (row["type"], row["jobs"]) == ("trial-greet", 3)
    assert crmd("jobs", "cancel", "--type", "trial-greet", "--yes", "--json").json == {"cancelled": 3}
    assert [row["type"] for row in crmd("jobs", "--status", "scheduled", "--json").json] == ["trial-fail"]
    wrong = crmd("jobs", "cancel", "--status", "dead", "--yes")
    assert "not for jobs that are dead" in wrong.err


def test_jobs_are_retried_by_a_filter(crmd: Run) -> None:
    """Those of one error's class run again; a job that was redriven before does not."""
    crmd("run-once", "trial-fail")
    crmd("run-once", "trial-fail")
    first = crmd("jobs", "retry", "--error-class", "ValueError", "--yes", "--json").json
    assert first == {"retried": 2, "retried_before": 0}
    second = crmd("jobs", "retry", "--error-class", "ValueError", "--yes", "--json").json
    assert second == {"retried": 0, "retried_before": 2}


def test_a_job_is_retried_with_another_payload(crmd: Run) -> None:
    """The edited payload is checked; the new job has it, and the old one is no dead letter any more."""
    crmd("run-once", "trial-picky", "--payload", '{"count": 1}')
    [dead] = crmd("jobs", "--json").json
    assert "$.count" in crmd("jobs", "retry", dead["id"], "--payload", '{"count": []}').err
    again = crmd("jobs", "retry", dead["id"], "--payload", '{"count": 5}', "--json").json
    assert crmd("jobs", "show", again["id"], "--json").json["payload"] == {"count": 5}
    assert crmd("dead", "--json").json == []


def test_every_action_is_kept_in_the_audit(crmd: Run) -> None:
    """Who did what to which job, and how it went; what was refused is kept with its reason."""
    job = crmd("enqueue", "trial-greet", "--in", "1h", "--json").json["id"]
    crmd("jobs", "retry", job)
    crmd("jobs", "cancel", job, "--reason", "not needed")
    cancelled, refused = crmd("audit", "--target", job, "--json").json
    assert (cancelled["action"], cancelled["outcome"]) == ("jobs.cancel", "done")
    assert cancelled["details"]["reason"] == "not needed"
    assert cancelled["actor"].startswith("cli:")
    assert (refused["action"], refused["outcome"]) == ("jobs.retry", f"Job {job} has not ended yet.")
    assert len(crmd("audit", "--action", "jobs", "--json").json) == 2
    assert crmd("audit", "--action", "queues", "--json").json == []


def test_a_template_is_saved_run_and_removed(crmd: Run) -> None:
    """A template keeps type and payload; a run may change fields, and what does not fit is refused."""
    saved = crmd("templates", "save", "hello-five", "trial-greet", "--payload", '{"count": 5}', "--json").json
    assert saved["is_new"]
    assert "$.count" in crmd("templates", "save", "bad", "trial-greet", "--payload", '{"count": "x"}').err
    job = crmd("templates", "run", "hello-five", "--json").json["id"]
    assert crmd("jobs", "show", job, "--json").json["payload"] == {"count": 5}
    other = crmd("templates", "run", "hello-five", "--payload", '{"count": 6}', "--json").json["id"]
    assert crmd("jobs", "show", other, "--json").json["payload"] == {"count": 6}
    assert "Did you mean hello-five?" in crmd("templates", "run", "hello-fve").err
    crmd("templates", "save", "again", "--from-job", other)
    assert [row["name"] for row in crmd("templates", "--json").json] == ["again", "hello-five"]
    assert crmd("templates", "remove", "again").code == 0
    assert len(crmd("templates", "--json").json) == 1


def test_a_job_keeps_what_it_logged(crmd: Run) -> None:
    """Lines of a job's logger are kept with it, with level and attempt, and without secrets."""
    job = crmd("run-once", "trial-talk", "--json").json["id"]
    lines = crmd("jobs", "logs", job, "--json").json
    assert [(line["level"], line["attempt"]) for line in lines] == [("info", 1), ("warning", 1)]
    assert lines[0]["text"] == "talking"
    assert "hunter2hunter2" not in lines[1]["text"]
    shown = crmd("jobs", "logs", job)
    assert "talking" in shown.out


def test_a_template_of_a_sealed_payload_runs_with_it(crmd: Run, tmp_path: Path) -> None:
    """What a template keeps sealed is opened when it is saved from a job and run, so that nothing of it is lost."""
    job = crmd("enqueue", "trial-secret", "--in", "1h", "--payload", '{"count": 424242}', "--json").json["id"]
    assert crmd("templates", "save", "again", "--from-job", job).code == 0
    crmd("templates", "run", "again", "--workspace", "acme")
    crmd("workspace", "export", "acme", "--to", str(tmp_path / "acme.zip"))
    with zipfile.ZipFile(tmp_path / "acme.zip") as archive:
        assert b'{"count":424242}' in archive.read("crmd/job.jsonl")


def test_a_name_that_is_none_is_told(crmd: Run) -> None:
    """A template's name that cannot be kept is refused before anything is asked of the database."""
    refused = crmd("templates", "save", "NOT A NAME", "trial-greet")
    assert refused.code == 2
    assert "is no name for a template" in refused.err
