from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import crmd
from crmd.config.settings import ConcurrencyRule, JobOverride, Queue
from crmd.errors import PluginError
from crmd.overriding import Key, keys_of, overridden

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.job_type import JobType


@crmd.job(
    "plain",
    connection="connectionId",
    concurrency=(crmd.Concurrency(max=9, per="workspace"), crmd.Concurrency(max=4, scope="daemon")),
)
async def plain(ctx: crmd.Context) -> None:
    """Nothing."""


def names(keys: Sequence[Key]) -> list[str]:
    """The keys' names, in their order."""
    return [key.name for key in keys]


def test_without_an_override_nothing_changes() -> None:
    """A job type that the operator does not mention stays what its plugin declared."""
    assert overridden(plain, None) is plain


def test_scalars_take_the_place_of_the_declaration() -> None:
    """Queue, priority, attempts and timeout of the operator win; what is not given stays."""
    changed = overridden(plain, JobOverride(queue="slow", priority="low", max_attempts=9, timeout_seconds=1.5))
    assert changed == replace(plain, queue="slow", priority="low", max_attempts=9, timeout_seconds=1.5)


def test_a_schedule_keeps_its_other_words() -> None:
    """Only the expression of a declared schedule changes; a job type without one gets one."""
    scheduled = replace(plain, schedule=crmd.Schedule(expression="@daily", timezone="Europe/Paris", overlap="allow"))
    assert overridden(scheduled, JobOverride(schedule="@hourly")).schedule == crmd.Schedule(
        expression="@hourly", timezone="Europe/Paris", overlap="allow"
    )
    assert overridden(plain, JobOverride(schedule="@hourly")).schedule == crmd.Schedule(expression="@hourly")


def test_each_scope_of_concurrency_is_replaced_on_its_own() -> None:
    """The operator's fleet-wide rules replace the fleet-wide ones only, the bound per daemon that one only."""
    fleet = overridden(plain, JobOverride(concurrency=(ConcurrencyRule(max=2, per="user"),))).concurrency
    assert set(fleet) == {crmd.Concurrency(max=4, scope="daemon"), crmd.Concurrency(max=2, per="user")}
    local = overridden(plain, JobOverride(concurrency_per_daemon=1)).concurrency
    assert set(local) == {crmd.Concurrency(max=9, per="workspace"), crmd.Concurrency(max=1, scope="daemon")}


def test_a_disabled_job_type_may_not_start() -> None:
    """Switched off, a type has a limit of nothing over all daemons and no schedule; its jobs wait."""
    off = overridden(replace(plain, schedule=crmd.Schedule(expression="@daily")), JobOverride(enabled=False))
    assert off.schedule is None
    assert Key("type:plain", max=0) in keys_of(off, {})


def test_keys_go_from_the_most_specific_to_the_widest() -> None:
    """A lane's keys: the connection's gate, bounds per something, bounds in all, per daemon, of the queue."""
    job_type: JobType = replace(plain, concurrency=(*plain.concurrency, crmd.Concurrency(max=30)))
    keys = keys_of(job_type, {"normal": Queue(slots=5, slots_fleet=50)})
    assert names(keys) == ["connection", "type:plain:workspace", "type:plain", "local:plain", "queue:normal"]
    assert [key.max for key in keys] == [None, 9, 30, 4, 50]
    assert [key.is_local for key in keys] == [False, False, False, True, False]


def test_the_tightest_of_equal_bounds_counts() -> None:
    """Of two bounds on the same thing the smaller one is the limit."""
    bounds = (crmd.Concurrency(max=5, per="workspace", floor=4), crmd.Concurrency(max=3, per="workspace"))
    job_type = replace(plain, connection=None, concurrency=bounds)
    assert keys_of(job_type, {}) == [Key("type:plain:workspace", per="workspace", max=3, floor=3)]


def test_a_job_type_without_bounds_takes_turns_by_workspace() -> None:
    """Its only key is a gate for each workspace; where the queue has no fair turns it has none, and no lane."""
    job_type = replace(plain, connection=None, concurrency=())
    assert keys_of(job_type, {"normal": Queue(slots=5)}) == [Key("type:plain:workspace", per="workspace")]
    assert keys_of(job_type, {"normal": Queue(slots=5, fair_turns=False)}) == []
    totalled = replace(job_type, concurrency=(crmd.Concurrency(max=3),))
    assert keys_of(totalled, {"normal": Queue(fair_turns=False)}) == [Key("type:plain", max=3)]


@pytest.mark.parametrize(
    "words",
    [
        {"max": 5, "floor": 1},
        {"max": 5, "per": "workspace", "floor": 6},
        {"max": 5, "per": "workspace", "floor": 1, "scope": "daemon"},
        {"max": 5, "scope": "daemon", "on_full": "reject_new"},
        {"max": 0, "on_full": "cancel_running"},
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(words: dict[str, Any]) -> None:
    """A floor needs a key and room under the ceiling; turning jobs away needs a limit that lets one run."""
    with pytest.raises(PluginError):
        crmd.Concurrency(**words)


def test_a_key_as_it_is_stored() -> None:
    """The stored form names what a bound counts per, or nothing."""
    assert Key("type:x", max=3).as_json() == {"name": "type:x"}
    assert Key("type:x", max=3, on_full="reject_new").as_json() == {"name": "type:x", "onFull": "reject_new"}
    assert Key("type:x:user", per="user").as_json() == {"name": "type:x:user", "per": "user"}


def test_the_operator_chooses_where_jobs_run() -> None:
    """A place and its memory are the operator's to change; without a word they stay as declared."""
    assert overridden(plain, JobOverride()).runs_in == "loop"
    moved = overridden(plain, JobOverride(runs_in="process", memory_mib=256))
    assert (moved.runs_in, moved.isolation.memory_mib) == ("process", 256)
