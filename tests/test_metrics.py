from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import msgspec
import pytest
import sample_jobs
from api_server import api_over
from prometheus_client.parser import text_string_to_metric_families

from crmd.engine.counting import count_settled, word_of
from crmd.engine.run import Run
from crmd.metrics.catalogue import METRICS
from crmd.metrics.exposition import exposed
from crmd.metrics.fleet import FleetFigures
from crmd.metrics.snapshot import PoolState, Room, Snapshot
from crmd.outcome import DONE, Ended, Forgotten, Requeued
from crmd.store.claimed_row import due_of, whole
from crmd.store.figures import (
    FAMILIES,
    Connected,
    Daemons,
    Figures,
    Fleet,
    Lost,
    Patience,
    Running,
    Trouble,
    Waiting,
    first_id,
    gathered,
)
from crmd.store.leases import BEGINNING, Token, claim_ready, new_claim_id
from crmd.store.queries import load_queries
from crmd.tally import SERIES_MAX, Histogram, Tally

if TYPE_CHECKING:
    from crmd.outcome import Outcome
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
OLD_JOBS = """
INSERT INTO crmd.archive (id, finished_at, run_at, created_at, fence, attempt, max_attempts, crash_count, snooze_count,
    status, type, queue, priority, payload)
SELECT encode(overlay(uuid_send(crmd.uuid7()) PLACING decode('019000000000', 'hex') FROM 1 FOR 6), 'hex')::uuid,
    t.now, t.now, t.now, 1, 1, 3, 0, 0, 'completed', 'old', 'fast', 'normal', '{}'
FROM generate_series(1, 20000), (SELECT clock_timestamp() AS now) t
"""
CONNECTED = "INSERT INTO crmd.connection (workspace_id, provider, account, last_error) VALUES ($1, $2, $2, $2)"
CANARY = 'canary-5f2"\n\\secret'


def parsed(text: str) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Each sample by name and labels, as Prometheus' own parser reads it."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float:
    """One sample."""
    return parsed(text)[name, frozenset(labels.items())]


def snapshot(tally: Tally, figures: Figures | None = None) -> Snapshot:
    """A daemon with two queues and one job type."""
    return Snapshot(
        version="1.2.3",
        is_ready=True,
        rooms={"fast": Room(8, 3), "slow": Room(2, 0)},
        backlog=4,
        abandoned=1,
        pools={"control": PoolState(max=10, open=5, idle=2)},
        streams=6,
        tally=tally,
        figures=figures,
        job_types=frozenset({"add-one"}),
        queues=frozenset({"fast", "slow"}),
        providers=frozenset({"gmail"}),
    )


def fleet() -> Figures:
    """A fleet that has one of everything, and names that nobody declares."""
    return Figures(
        2.5,
        enqueued={"add-one": 7, CANARY: 2, "x": 1},
        emitted={"job": 3},
        fleet=Fleet(
            waiting=(
                Waiting("fast", due=5, scheduled=2, held=1, due_seconds=12.5, is_served=True),
                Waiting(CANARY, due=1, scheduled=0, held=0, due_seconds=9.0, is_served=False),
            ),
            running=(Running("fast", jobs=3, oldest_seconds=4.0),),
            retrying={"add-one": 2},
            trouble=(Trouble("add-one", "dead", jobs=4, last_hour=1), Trouble(CANARY, "failed", jobs=1, last_hour=1)),
            daemons=Daemons(alive=2, draining=1, beat_seconds=3.0, lost=()),
            connections=(
                Connected("gmail", "active", connections=6, stale=1, sync_seconds=90.0),
                Connected(CANARY, "needs_reauth", connections=2, stale=2, sync_seconds=9e6),
            ),
        ),
    )


def full() -> str:
    """The text of a daemon that has counted one of everything."""
    tally = Tally()
    tally.attempts["add-one", "completed"] = 9
    tally.attempts[CANARY, "failed"] = 2
    tally.attempt_seconds["add-one"].add(0.3, 9)
    tally.attempt_seconds[CANARY].add(99999)
    tally.wait_seconds["fast"].add(0.04)
    tally.lag_seconds.add(0.0001, 50)
    tally.limit_waits["limit", "waited"] += 1
    tally.limit_wait_seconds.add(0.5)
    tally.handler_seconds["crm.audit"].add(0.002)
    tally.handler_errors["crm.audit"] += 1
    tally.requests["GET", "/api/jobs", 200] += 3
    tally.request_seconds["/api/jobs"].add(0.01, 3)
    return exposed(snapshot(tally, fleet()), "")[0].decode()


def test_prometheus_reads_what_is_told() -> None:
    """Prometheus' own parser finds each value where it belongs; histograms add up."""
    text = full()
    assert value(text, "crmd_attempts_total", type="add-one", outcome="completed") == 9
    assert value(text, "crmd_attempt_seconds_bucket", type="add-one", le="0.5") == 9
    assert value(text, "crmd_attempt_seconds_bucket", type="add-one", le="0.1") == 0
    assert value(text, "crmd_attempt_seconds_sum", type="add-one") == pytest.approx(2.7)
    assert value(text, "crmd_jobs", queue="fast", state="due") == 5
    assert value(text, "crmd_jobs", queue="slow", state="due") == 0
    assert value(text, "crmd_oldest_due_seconds", queue="fast") == 12.5
    assert value(text, "crmd_daemons", state="alive") == 2
    assert value(text, "crmd_pool_connections", pool="control", state="busy") == 3
    assert value(text, "crmd_slots_taken", queue="fast") == 3
    assert value(text, "crmd_fleet_age_seconds") == 2.5
    assert value(text, "crmd_api_streams") == 6


def test_every_metric_of_the_catalogue_is_told() -> None:
    """Each metric of the catalogue has its kind and meaning in the text, and there is no other of crmd's."""
    lines = full().splitlines()
    kinds = {line.split()[2]: line.split()[3] for line in lines if line.startswith("# TYPE crmd_")}
    suffix = {"counter": "_total"}
    assert kinds == {metric.name + suffix.get(metric.kind, ""): metric.kind for metric in METRICS}


def test_names_from_outside_are_no_labels() -> None:
    """Job types, queues and providers that nobody declares are counted as one, whatever they are called."""
    text = full()
    assert "canary" not in text
    assert value(text, "crmd_attempts_total", type="other", outcome="failed") == 2
    assert value(text, "crmd_jobs_enqueued_total", type="other") == 3
    assert value(text, "crmd_queue_unserved", queue="other") == 1
    assert value(text, "crmd_connections", provider="other", state="needs_reauth") == 2


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed: apt install prometheus")
def test_promtool_has_nothing_to_say() -> None:
    """`promtool check metrics` finds neither an error nor a bad name."""
    command = ["promtool", "check", "metrics"]
    done = subprocess.run(command, input=full(), capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_openmetrics_is_told_to_who_asks() -> None:
    """A scraper that speaks OpenMetrics gets it, with its end."""
    text, media_type = exposed(snapshot(Tally()), "application/openmetrics-text; version=1.0.0")
    assert media_type.startswith("application/openmetrics-text")
    assert text.endswith(b"# EOF\n")


def test_outcomes_have_one_word_each() -> None:
    """What becomes of an attempt is told by a status, or by what happened to it instead."""
    outcomes: list[Outcome] = [
        DONE,
        Ended("poison"),
        Ended("cancelled"),
        Requeued(1.0, is_attempt_given_back=False),
        Requeued(1.0, is_attempt_given_back=True),
        Forgotten(),
    ]
    assert [word_of(one) for one in outcomes] == [
        "completed",
        "dead",
        "cancelled",
        "retried",
        "given_back",
        "lease_lost",
    ]


async def test_a_batch_is_counted_as_it_was(workbench: Workbench) -> None:
    """Of a batch every attempt is counted, with its time; of a large one some stand for the waits of all."""
    for _ in range(100):
        await workbench.enqueue("add-one", {"number": 1})
    pool = workbench.everything.pools.control
    job_type, tally = workbench.everything.services.job_types["add-one"], Tally()
    await pool.execute("UPDATE crmd.job SET lane = NULL")  # no fair turns
    rows = await claim_ready(pool, workbench._daemon_id, job_type.queue, 100, BEGINNING, new_claim_id())
    queue, due = due_of(rows[0])
    assert queue == whole(rows[0])["queue"]
    assert due == pytest.approx(whole(rows[0])["run_at"].timestamp())
    assert due_of(whole(rows[0])) == due_of(rows[0])
    runs = [
        Run(row, job_type, Token(row["id"], row["fence"], new_claim_id()), started=50.0, ended=50.3) for row in rows
    ]
    count_settled(tally, [(run, DONE) for run in runs], wall=due + 60.0, boot=52.0)
    assert tally.attempts == {("add-one", "completed"): 100}
    assert tally.attempt_seconds["add-one"].total == pytest.approx(30.0)
    waits = tally.wait_seconds[job_type.queue]
    assert waits.count == 100
    assert waits.total / 100 == pytest.approx(58.0, abs=5)


def test_no_name_fills_the_memory() -> None:
    """Beyond so many names of job types the others are counted as one."""
    tally = Tally()
    for number in range(SERIES_MAX + 100):
        run = SimpleNamespace(
            job_type=SimpleNamespace(name=f"t{number}"), started=1.0, ended=2.0, token=Token(uuid4(), 2, uuid4())
        )
        count_settled(tally, [(run, DONE)], wall=0.0, boot=0.0)  # type: ignore[list-item]  # what is read of a run
    assert len(tally.attempt_seconds) == SERIES_MAX + 1
    assert tally.attempts["other", "completed"] == 100


async def test_a_fleet_is_counted_once(workbench: Workbench) -> None:
    """Jobs are counted once each, however many daemons gather, wherever they are by then; the depth is as it is."""
    pool = workbench.everything.pools.plugins
    first = await gathered(pool, Patience())
    assert first is not None
    assert first.enqueued == {}
    for _ in range(5):
        await workbench.enqueue("add-one", {"number": 1})
    await workbench.drain()
    for _ in range(3):
        await workbench.enqueue("add-one", {"number": 1})
    await workbench.clock.advance(15)
    results: list[Figures | None] = []

    async def gather() -> None:
        results.append(await gathered(pool, Patience()))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(gather)
    await workbench.clock.advance(30)
    last = await gathered(pool, Patience())
    assert last is not None
    assert last.enqueued == {"add-one": 8}
    assert [(one.due, one.scheduled, one.held) for one in last.fleet.waiting] == [(3, 0, 0)]
    assert last.fleet.daemons.alive == 1
    assert sum(last.emitted.values()) == await pool.fetchval("SELECT count(*) FROM crmd.event")


async def test_nothing_of_a_customer_is_in_the_metrics(workbench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever stands in payloads, keys, events and accounts, neither metrics nor logs have it."""
    pool = workbench.everything.pools.plugins
    secret = "canary7d1f"
    async with api_over(workbench) as api:
        jobs = f"/api/workspaces/{workbench.workspace_id}"
        await api.ask("GET", "/metrics")
        await api.ask("POST", f"{jobs}/jobs", {"type": "add-one", "payload": {"number": 1}, "idempotencyKey": secret})
        await api.ask("POST", f"{jobs}/jobs", {"type": "add-one", "payload": {"number": secret}})
        await api.ask("POST", f"{jobs}/events", {"type": f"{secret}.told", "data": {"word": secret}})
        await api.ask("POST", f"{jobs}/events", {"type": "sample.told", "data": {"number": 1}})
        await api.ask("GET", f"{jobs}/jobs?type={secret}", key=f"crmd_{secret}")
        await pool.execute(CONNECTED, workbench.workspace_id, secret)
        await workbench.enqueue("always-fails")
        await workbench.drain(is_time_moved=True)
        await workbench.clock.advance(60)
        assert api.state is not None
        api.state.fleet._known_at -= 60
        text = (await api.ask("GET", "/metrics")).body.decode()
    assert value(text, "crmd_dead_jobs", type="always-fails", status="dead") == 1
    assert value(text, "crmd_connections", provider="other", state="active") == 1
    assert value(text, "crmd_events_emitted_total", family="other") == 1
    assert value(text, "crmd_events_emitted_total", family="sample") == 1
    assert secret not in text
    assert str(workbench.workspace_id) not in text
    assert secret not in caplog.text


async def test_counting_what_was_made_reads_no_more_than_that(workbench: Workbench) -> None:
    """Among very many jobs and events, those of the last moments are found by their ids."""
    pool = workbench.everything.pools.control
    await pool.execute(OLD_JOBS)
    await pool.execute("ANALYZE crmd.archive; ANALYZE crmd.job")
    await workbench.enqueue("add-one", {"number": 1})
    now = await pool.fetchval("SELECT crmd.clock()")
    since, until = now - timedelta(seconds=60), now + timedelta(seconds=60)
    made = load_queries("crmd.store").figures_made
    args = first_id(since), first_id(until), since, FAMILIES
    row = await workbench.everything.pools.plugins.fetchrow(made, *args)
    assert row is not None
    assert row["enqueued"] == {"add-one": 1}
    plan = "\n".join(line[0] for line in await pool.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {made}", *args))
    read = [int(rows) for rows in re.findall(r"Scan .*\(actual [^)]*rows=(\d+)", plan)]
    read += [int(rows) for rows in re.findall(r"Rows Removed by Filter: (\d+)", plan)]
    assert read
    assert max(read) <= 100, plan  # small tables may be read whole


@pytest.mark.parametrize(("cost", "age", "expected"), [(0.0, 4, 4), (0.0, 6, 0), (1.0, 19, 19), (9.0, 31, 0)])
async def test_a_costly_look_is_taken_less_often(
    workbench: Workbench, cost: float, age: float, expected: float
) -> None:
    """Figures rest for 5 s, for twenty times as long as they took to gather, but never for more than 30 s."""
    pool = workbench.everything.pools.plugins
    at = datetime(2030, 1, 1, tzinfo=UTC)
    await workbench.clock.freeze(at)
    await gathered(pool, Patience())
    await pool.execute("UPDATE crmd.figures SET fleet = fleet || jsonb_build_object('costSeconds', $1::float8)", cost)
    await workbench.clock.freeze(at + timedelta(seconds=age))
    figures = await gathered(pool, Patience())
    assert figures is not None
    assert figures.age_seconds == expected


async def test_a_scrape_does_not_wait_for_the_database(workbench: Workbench) -> None:
    """While the figures are locked away a scrape answers with those of before and says how old they are."""
    pool = workbench.everything.pools.plugins
    figures = FleetFigures(pool, wait_seconds=0.0)
    assert await figures.current(Patience()) is None
    while await figures.current(Patience()) is None:  # noqa: ASYNC110 - nothing tells when it is there
        await anyio.sleep(0.01)
    async with pool.acquire() as other, other.transaction():
        await other.execute("LOCK crmd.figures")
        figures._known_at -= 60
        old = await figures.current(Patience())
        assert old is not None
        assert old.age_seconds >= 60
    await figures.close()


async def test_metrics_are_for_this_machine_or_for_a_key(workbench: Workbench) -> None:
    """From loopback no key is needed; behind a proxy, or when so set, one with the scope read of an operator is."""
    async with api_over(workbench) as api:
        told = await api.ask("GET", "/metrics", key="")
        assert told.status == 200
        assert told.headers["Content-Type"].startswith("text/plain; version=")
        plain = msgspec.structs.replace(api.settings[0], metrics="key")
        tenant = await api.new_key("read", workspace_id=uuid4())
        for settings in (plain, msgspec.structs.replace(api.settings[0], behind_proxy=True)):
            api.settings[0] = settings
            keys = ["", await api.new_key("enqueue"), tenant, await api.new_key("read")]
            assert [(await api.ask("GET", "/metrics", key=key)).status for key in keys] == [401, 403, 404, 200]


async def test_requests_are_counted_by_route(workbench: Workbench) -> None:
    """Requests are told by the route as declared and by status; what the caller wrote into the address is not."""
    async with api_over(workbench) as api:
        await api.ask("GET", f"/api/workspaces/{uuid4()}/jobs")
        await api.ask("GET", "/nothing/canary-12345")
        await api.ask("GET", "/api/job-types", key="crmd_canary_secret")
        text = (await api.ask("GET", "/metrics")).body.decode()
        assert (
            value(
                text, "crmd_api_requests_total", method="GET", route="/api/workspaces/{workspaceId}/jobs", status="200"
            )
            == 1
        )
        assert value(text, "crmd_api_requests_total", method="GET", route="unknown", status="404") == 1
        assert value(text, "crmd_api_requests_total", method="GET", route="/api/job-types", status="401") == 1
        assert "canary" not in text


def test_buckets_take_what_fits() -> None:
    """A value on a bound belongs to the bucket below it."""
    histogram = Histogram((1.0, 2.0))
    for one in (0.5, 1.0, 1.5, 2.0, 9.0):
        histogram.add(one)
    assert histogram.counts == [2, 2, 1]


def test_many_at_once_are_counted_as_one_by_one() -> None:
    """A batch of values falls into the buckets into which each of them falls."""
    bounds, values = (1.0, 2.0, 4.0), [0.0, 1.0, 1.5, 2.0, 2.5, 4.0, 9.0] * 30
    one_by_one, at_once = Histogram(bounds), Histogram(bounds)
    for part in (values[:150], [], values[150:]):
        at_once.add_all(part)
    for value_ in values:
        one_by_one.add(value_)
    assert (at_once.counts, at_once.total) == (one_by_one.counts, one_by_one.total)


def test_lost_daemons_are_counted() -> None:
    """Daemons that ended without a word are told by their number."""
    lost = Lost(id=uuid4(), host="a", at=datetime(2026, 1, 1, tzinfo=UTC), is_replaced=False)
    text = exposed(snapshot(Tally(), Figures(0.0, fleet=Fleet(daemons=Daemons(lost=(lost,))))), "")[0].decode()
    assert value(text, "crmd_daemons", state="lost") == 1
