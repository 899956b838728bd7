from __future__ import annotations

import dataclasses
import types
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import event_jobs
import msgspec
import pytest

import crmd
from crmd.config.settings import Plugins
from crmd.engine.upkeep import Keep, upkeep_once
from crmd.errors import UsageError
from crmd.event import TYPE_BYTES_MAX
from crmd.plugins import ModuleEntry
from crmd.store import events, jobs
from crmd.store.queries import load_queries
from crmd.testing import open_workbench

if TYPE_CHECKING:
    from crmd.config.loading import Config
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(event_jobs)
SQL = load_queries("crmd.store")
EMIT = "SELECT crmd.emit($1, $2::jsonb, workspace_id => $3, aggregate_type => 'thing', aggregate_id => $4)"


@pytest.fixture(autouse=True)
def nobody_told() -> None:
    """Each test begins with handlers that were told nothing."""
    event_jobs.told.clear()


async def emit(
    connection: asyncpg.Connection[Any],
    event_type: str,
    data: dict[str, object],
    *,
    workspace_id: UUID | None = None,
    about: str = "1",
) -> UUID:
    """Emit from SQL, as any program may."""
    event_id: UUID = await connection.fetchval(
        EMIT, event_type, msgspec.json.encode(data).decode(), workspace_id or uuid4(), about
    )
    return event_id


def told(handler: str) -> list[object]:
    """What a handler was told."""
    return [what for who, what in event_jobs.told if who == handler]


async def test_a_handler_is_told_of_its_events(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """A handler runs once for each event of its type, as a job of the event's workspace that names its cause."""
    workspace_id = uuid4()
    event_id = await emit(outside, "contact.created", {"contactId": "ann", "score": 3}, workspace_id=workspace_id)
    await emit(outside, "contact.gone", {"contactId": "ann"})
    [done, *_] = await workbench.drain()
    assert (done.type, done.status, done.result) == ("on-greet", "completed", "ann")
    assert told("greet") == ["ann"]
    row = await outside.fetchrow("SELECT workspace_id, meta::text FROM crmd.archive WHERE id = $1", done.id)
    assert row is not None
    assert row["workspace_id"] == workspace_id
    assert msgspec.json.decode(row["meta"]) == {
        "event": "contact.created",
        "causationId": str(event_id),
        "correlationId": str(event_id),
    }


async def test_a_rolled_back_event_tells_nobody(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """Event and handlers' jobs are there together or not at all."""
    transaction = outside.transaction()
    await transaction.start()
    await emit(outside, "contact.created", {"contactId": "ann"})
    await transaction.rollback()
    assert await workbench.drain() == []
    assert await workbench.events("contact.created") == []


async def test_conditions_and_patterns_choose(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """A condition lets through what meets it; data that lacks its fields, or has others there, does not."""
    for data in ({"score": 10}, {"score": 9}, {}, {"score": "x"}, {"score": [11]}):
        await emit(outside, "contact.scored", dict(data))
    await workbench.drain()
    assert sorted(told("count"), key=str) == [{"score": 10}, {"score": [11]}]  # an SQL/JSON path looks into lists


async def test_triggers_have_delay_dedup_and_priority(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """One job waits for each value of the fields named, later and more urgent as declared; others start none."""
    workspace_id = uuid4()
    for to in ("ann", "ann", "bob", "eve"):
        await emit(outside, "greeting.sent", {"to": to}, workspace_id=workspace_id)
    rows = await outside.fetch("SELECT priority, run_at - created_at AS delay FROM crmd.job WHERE type = 'follow-up'")
    assert [(row["priority"], round(row["delay"].total_seconds())) for row in rows] == [("high", 60), ("high", 60)]


async def test_a_poison_event_is_parked_for_its_handler_alone(
    workbench: Workbench, outside: asyncpg.Connection[Any]
) -> None:
    """A handler that fails at one event parks it and is told of the others; so are other handlers of that event."""
    for name in ("ann", "poison", "bob"):
        await emit(outside, "contact.created", {"contactId": name, "score": 10})
    await workbench.drain(is_time_moved=True)
    assert sorted(map(str, told("greet"))) == ["ann", "bob", "poison", "poison"]
    assert len(told("count")) == 3
    parked = await outside.fetch(SQL.events_parked, "on-greet", 10)
    assert [(row["handler"], row["type"], row["status"], row["message"]) for row in parked] == [
        ("on-greet", "contact.created", "dead", "cannot be greeted")
    ]
    again = await outside.fetchval(SQL.event_redeliver, "on-greet", [parked[0]["event_id"]], 0.0, True)
    assert again == 1
    assert await outside.fetch(SQL.events_parked, "on-greet", 10) == []
    await workbench.drain(is_time_moved=True)
    [parked] = await outside.fetch(SQL.events_parked, "on-greet", 10)
    retried = await jobs.retry(workbench._pool, parked["job_id"])
    assert retried is not None
    assert await outside.fetch(SQL.events_parked, "on-greet", 10) == []
    await workbench.drain(is_time_moved=True)
    [parked] = await outside.fetch(SQL.events_parked, "on-greet", 10)
    assert parked["job_id"] == retried.id


async def test_a_replay_hands_nothing_over_twice(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """What a handler was given once it is not given again, unless that is asked for."""
    ids = [await emit(outside, "contact.created", {"contactId": name}) for name in ("ann", "bob")]
    await workbench.drain()
    assert await outside.fetchval(SQL.event_redeliver, "on-greet", ids, 0.0, False) == 0
    await outside.execute("DELETE FROM crmd.delivery WHERE handler = 'on-greet' AND event_id = $1", ids[0])
    assert await outside.fetchval(SQL.event_redeliver, "on-greet", ids, 0.0, False) == 1
    assert await outside.fetchval(SQL.event_redeliver, "on-greet", ids, 0.0, True) == 2
    await workbench.drain()
    assert sorted(map(str, told("greet"))) == ["ann", "ann", "ann", "bob", "bob"]


async def test_ordered_events_wait_for_each_other(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """Behind an event that fails wait the later ones of its aggregate, and no others, until it is dismissed."""
    workspace_id = uuid4()
    broken = await emit(outside, "order.paid", {"step": "breaks"}, workspace_id=workspace_id, about="a")
    for about in ("a", "b"):
        await emit(outside, "order.sent", {"step": "second"}, workspace_id=workspace_id, about=about)
    await workbench.drain()
    assert sorted(map(str, told("order"))) == ["('a', 'breaks')", "('b', 'second')"]
    for _ in range(3):
        await workbench.clock.advance(61)
        await workbench.drain()
    assert told("order").count(("a", "breaks")) == 2
    assert ("a", "second") not in told("order")
    assert await outside.fetchval(SQL.event_dismiss, "on-follow-orders", broken) == broken
    await workbench.clock.advance(61)
    await workbench.drain()
    assert told("order")[-1] == ("a", "second")


async def test_a_veto_leaves_nothing(workbench: Workbench) -> None:
    """What a sync handler refuses was never emitted: neither the event, nor what handlers wrote, nor their jobs."""
    done = await workbench.run_job("tells", {"contactId": ""})
    assert done.result == "vetoed: a contact needs an id"
    assert await workbench.events("contact.created") == []
    assert await workbench.events("contact.looked_at") == []
    assert (await workbench.run_job("tells", {"contactId": "ann"})).result == "told"
    assert await workbench.events("contact.looked_at") == [{"contactId": "ann"}]


async def test_a_transaction_goes_on_after_a_veto(workbench: Workbench) -> None:
    """Whoever catches a veto inside a transaction keeps what else was done in it, and nothing of what was refused."""
    done = await workbench.run_job("tells-within", {"contactId": ""})
    assert done.result == "vetoed: a contact needs an id"
    assert await workbench.events("tells.began") == [{}]
    assert await workbench.events("contact.looked_at") == []


async def test_a_function_vetoes_whoever_emits(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """A function of the database is asked in the emitting transaction, and what it raises ends the emit."""
    await outside.execute(
        """CREATE FUNCTION public.check_contact(e crmd.event) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
        IF e.data ->> 'contactId' = 'eve' THEN RAISE 'no contact of that name'; END IF; END $$"""
    )
    await outside.execute("SELECT crmd.add_event_function('contact.*', 'public.check_contact')")
    with pytest.raises(asyncpg.RaiseError, match="no contact of that name"):
        await emit(outside, "contact.created", {"contactId": "eve"})
    await emit(outside, "contact.created", {"contactId": "ann"})
    assert (await workbench.run_job("tells", {"contactId": "eve"})).result == "vetoed: no contact of that name"
    assert await workbench.events("contact.created") == [{"contactId": "ann"}]
    with pytest.raises(asyncpg.PostgresError, match="there is no function"):
        await outside.execute("SELECT crmd.add_event_function('contact.*', 'public.nothing')")
    for is_there in (True, False):
        taken_back = "SELECT crmd.remove_event_function('contact.*', 'public.check_contact')"
        assert await outside.fetchval(taken_back) is is_there
    await emit(outside, "contact.created", {"contactId": "eve"})


async def test_causes_run_through_events_and_jobs(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """Event, job, event, job: each names the one before it and all name the first; a trace finds the whole chain."""
    first = await emit(outside, "contact.created", {"contactId": "ann"})
    done = await workbench.drain(is_time_moved=True)
    greet = next(job for job in done if job.type == "on-greet")
    sent = await outside.fetchrow("SELECT id, metadata::text FROM crmd.event WHERE type = 'greeting.sent'")
    assert sent is not None
    assert msgspec.json.decode(sent["metadata"]) == {
        "source": "on-greet",
        "causationId": str(greet.id),
        "correlationId": str(first),
    }
    for anybody in (first, greet.id, sent["id"]):
        chain = await outside.fetch(SQL.event_trace, anybody, 100)
        assert [(row["kind"], row["type"]) for row in chain] == [
            ("event", "contact.created"),
            ("job", "on-greet"),
            ("event", "greeting.sent"),
            ("job", "follow-up"),
        ]
        causes = [row["cause"] for row in chain]
        assert causes == [None, *(str(row["id"]) for row in chain[:3])]


async def test_causes_run_through_children(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """What a child emits names the child, and the event that its parent was started by."""
    first = await emit(outside, "chain.began", {})
    await workbench.drain()
    chain = await outside.fetch(SQL.event_trace, first, 100)
    assert [(row["kind"], row["type"]) for row in chain] == [
        ("event", "chain.began"),
        ("job", "passes-on"),
        ("job", "passes-to"),
        ("event", "chain.ended"),
    ]
    assert [row["cause"] for row in chain] == [None, *(str(row["id"]) for row in chain[:3])]


async def test_jobs_tell_of_their_end_to_those_who_ask(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """job.dead and its kind are emitted while somebody asks for them, and a job that they start tells of no end."""
    await emit(outside, "contact.created", {"contactId": "poison"})
    await workbench.drain(is_time_moved=True)
    assert told("mourn") == [("job.dead", "on-greet")]
    [dead] = await workbench.events("job.dead")
    assert (dead["type"], dead["status"], dead["errorClass"]) == ("on-greet", "dead", "RuntimeError")
    assert await workbench.events("job.failed") == []  # that of the mourner, who has failed
    assert await workbench.events("job.completed") == []
    await outside.execute("SELECT crmd.add_trigger('job.completed', 'greet-by-hand', '$.type == \"follow-up\"')")
    await outside.execute("SELECT crmd.enqueue('follow-up')")
    await workbench.drain()
    assert [event["type"] for event in await workbench.events("job.completed")] == ["follow-up"]
    assert await outside.fetchval("SELECT crmd.remove_trigger('job.completed', 'greet-by-hand')")
    await outside.execute("SELECT crmd.enqueue('follow-up')")
    await workbench.drain()
    assert len(await workbench.events("job.completed")) == 1


async def test_a_lapsed_wish_is_switched_off(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """Once nobody asks for the ends of jobs, upkeep frees settling of them; a long transaction delays that."""
    is_on = "SELECT tgenabled <> 'D' FROM pg_trigger WHERE tgname = 'archive_told'"
    await outside.execute("DELETE FROM crmd.trigger WHERE event_type LIKE 'job.%'")
    await outside.execute("SELECT crmd.listen_events('job.completed', gen_random_uuid(), 60)")
    assert await outside.fetchval(is_on)
    await workbench.clock.advance(61)
    async with outside.transaction(), workbench._pool.acquire() as connection:
        await outside.execute("DELETE FROM crmd.archive")
        await connection.execute("SET lock_timeout = '100ms'")
        assert not await events.hear_jobs(connection)
        await connection.execute("RESET lock_timeout")
    await upkeep_once(workbench._pool, Keep())
    assert not await outside.fetchval(is_on)


@pytest.mark.crmd_plugins
async def test_nobody_asks_and_nothing_is_switched_on(database: asyncpg.Pool[Any]) -> None:
    """Without a subscriber the end of a job fires no trigger at all."""
    assert await database.fetchval("SELECT tgenabled = 'D' FROM pg_trigger WHERE tgname = 'archive_told'")


async def test_triggers_are_added_while_daemons_run(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """A trigger of run time works at once, is refused where a plugin decides, and stays when plugins are declared."""
    await outside.execute("SELECT crmd.add_trigger('deal.*', 'greet-by-hand', '$.amount > 100', delay_seconds => 0)")
    for amount in (50, 200):
        await emit(outside, "deal.won", {"amount": amount, "contactId": "ann", "noise": 1})
    [done] = await workbench.drain()
    assert (done.type, done.status) == ("greet-by-hand", "completed")
    with pytest.raises(asyncpg.PostgresError, match="the plugin of"):
        await outside.execute("SELECT crmd.add_trigger('greeting.sent', 'follow-up')")
    with pytest.raises(asyncpg.PostgresError, match="neither true nor false"):
        await outside.execute("SELECT crmd.add_trigger('deal.*', 'greet-by-hand', '$.amount')")
    await workbench.everything.pools.control.execute(SQL.declare_triggers, ["greet-by-hand"], b"[]")
    assert [row["event_type"] for row in await outside.fetch(SQL.trigger_list, "greet-by-hand")] == ["deal.*"]


async def test_an_event_never_changes(outside: asyncpg.Connection[Any]) -> None:
    """Neither a plugin nor a role that may enqueue can change or remove an event, or see another workspace's."""
    workspace_id = uuid4()
    await emit(outside, "contact.created", {"contactId": "ann"}, workspace_id=workspace_id)
    await emit(outside, "contact.created", {"contactId": "bob"})
    await outside.execute("SET ROLE crmd_app")
    for statement in ("UPDATE crmd.event SET type = 'x'", "DELETE FROM crmd.event"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await outside.execute(statement)
    assert await outside.fetch("SELECT * FROM crmd.event") == []
    await outside.execute("SELECT set_config('crmd.workspace_id', $1, false)", str(workspace_id))
    assert await outside.fetchval("SELECT array_agg(data ->> 'contactId') FROM crmd.workspace_events") == ["ann"]


async def test_a_program_emits_and_its_handlers_may_veto(
    workbench: Workbench, outside: asyncpg.Connection[Any]
) -> None:
    """crmd.emit needs nothing but a connection; handlers that it is given are asked before anything is kept."""

    @crmd.on_event("deal.*", sync=True)
    async def keep(event: crmd.Event[dict[str, int]], tx: crmd.Statements) -> None:
        if event.data["amount"] > await tx.fetchval("SELECT 100"):
            raise crmd.Veto(f"{event.type} is too large")

    workspace_id = uuid4()
    about = crmd.EventMetadata(source="shop", ip_address="203.0.113.7")
    event_id = await crmd.emit(
        outside, "deal.won", {"amount": 5}, workspace_id=workspace_id, aggregate_id=7, version=2, metadata=about,
        handlers=[keep],
    )  # fmt: skip
    with pytest.raises(crmd.Veto, match=r"deal\.won is too large"):
        await crmd.emit(outside, "deal.won", {"amount": 500}, handlers=[keep])
    row = await outside.fetchrow("SELECT id, version, aggregate_id, metadata::text FROM crmd.event")
    assert row is not None
    assert tuple(row)[:3] == (event_id, 2, "7")
    assert msgspec.json.decode(row["metadata"]) == {"source": "shop", "ipAddress": "203.0.113.7"}


async def test_listeners_are_told_while_they_ask(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """One notice a statement, small however many events it tells of, and none once the wish has lapsed."""
    heard: list[dict[str, Any]] = []
    ear = await asyncpg.connect(workbench.everything.config.database.dsn.reveal())  # type: ignore[union-attr]  # a test's database has an address
    await ear.add_listener("crmd_events", lambda *words: heard.append(msgspec.json.decode(str(words[3]))))
    await emit(outside, "contact.created", {"contactId": "nobody listens yet"})
    await ear.execute("SELECT crmd.listen_events('contact.*', gen_random_uuid(), 60)")
    many = "SELECT crmd.emit_many('contact.gone', array_fill('{}'::jsonb, ARRAY[5000]))"
    ids = [row[0] for row in await outside.fetch(many)]
    await emit(outside, "order.paid", {"step": "is no contact"})
    await ear.execute("SELECT 1")
    assert [(word["type"], word["count"], len(word["ids"])) for word in heard] == [("contact.gone", 5000, 100)]
    assert heard[0]["ids"][0] == str(ids[0])
    await workbench.clock.advance(61)
    await emit(outside, "contact.gone", {})
    await ear.execute("SELECT 1")
    assert len(heard) == 1
    await ear.close()


async def test_no_type_is_too_long_for_a_notice(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """The longest type, however it is escaped, goes beside a hundred ids to a listener; a longer one is refused."""
    longest = "\x01" * TYPE_BYTES_MAX
    for name in (longest, "é" * (TYPE_BYTES_MAX // 2)):
        await outside.execute("SELECT crmd.listen_events($1, gen_random_uuid(), 60)", name)
        many = "SELECT crmd.emit_many($1, array_fill('{}'::jsonb, ARRAY[200]), gen_random_uuid())"
        assert len(await outside.fetch(many, name)) == 200
    with pytest.raises(asyncpg.CheckViolationError):
        await outside.execute("SELECT crmd.emit($1, '{}'::jsonb)", "a" * (TYPE_BYTES_MAX + 1))
    for refused in ("a" * 4000, "é" * 201, ""):
        with pytest.raises(UsageError, match="type of an event"):
            await crmd.emit(outside, refused, {})


async def test_a_role_reads_in_order(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """crmd.grant_events lets a role read and listen, and nothing more."""
    role = f"reader_{uuid4().hex}"  # roles belong to the server, which other tests may use
    await outside.execute(f"CREATE ROLE {role} NOLOGIN")
    try:
        await outside.execute("SELECT crmd.grant_events($1)", role)
        await emit(outside, "contact.gone", {})
        await outside.execute(f"SET ROLE {role}")
        settled = await outside.fetchval("SELECT crmd.settled_seq()")
        assert await outside.fetchval("SELECT count(*) FROM crmd.event WHERE seq <= $1", settled) in {0, 1}
        await outside.execute("SELECT crmd.listen_events('contact.*', gen_random_uuid())")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await outside.execute("SELECT crmd.add_trigger('contact.*', 'tells')")
    finally:
        await outside.execute(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")


@pytest.mark.parametrize("condition", ["$.", "$.amount", "no path"])
async def test_a_condition_that_makes_no_sense_breaks_its_plugin_alone(crmd_config: Config, condition: str) -> None:
    """A plugin whose condition PostgreSQL cannot read is broken and named; the others are declared."""

    @crmd.job("never-fires", on_events=crmd.Trigger(event="x.y", when=condition))
    async def never_fires(ctx: crmd.Context) -> None:
        """Never runs."""

    module = types.ModuleType("crmd_senseless")
    vars(module)["never_fires"] = never_fires
    entries = {"senseless": ModuleEntry("senseless", module), "events": ModuleEntry("events", event_jobs)}
    config = dataclasses.replace(crmd_config, plugins=Plugins(enabled=tuple(entries)))
    async with open_workbench(config, entries) as workbench:
        [broken] = workbench.everything.loaded.registry.broken
        assert broken.name == "senseless"
        assert "The condition of never-fires does not hold together" in broken.reason
        assert "follow-up" in workbench.everything.services.job_types


@pytest.mark.parametrize(
    ("when", "path"),
    [
        (None, None),
        ({}, None),
        ({"a": 1, "b c": ("x", None)}, '($."a" == 1) && ($."b c" == "x" || $."b c" == null)'),
        ("$.a > 1", "$.a > 1"),
    ],
)
def test_a_mapping_is_a_condition(when: Any, path: str | None) -> None:  # noqa: ANN401 - a condition of any kind
    """A mapping reads as: each of these fields has this value, or one of these."""
    assert crmd.Trigger(event="x.y", when=when).condition == path


def test_declarations_that_make_no_sense_are_refused() -> None:
    """An event type, condition or handler that cannot work is refused where it is declared, with a sentence."""

    async def handler(ctx: crmd.Context, event: crmd.Event[Any]) -> None:
        """Handles."""

    async def untyped(ctx: crmd.Context, event: int) -> None:
        """Does not say what it hears of."""

    for wrong in ("Contact.created", "contact", "contact.*.x", "*.created", "a." + "b" * 70, "a.b\n"):
        with pytest.raises(crmd.CrmdError, match="is no event type"):
            crmd.Trigger(event=wrong)
    with pytest.raises(crmd.CrmdError, match="compares with"):
        assert crmd.Trigger(event="x.y", when={"a": {"b": 1}}).condition
    with pytest.raises(crmd.CrmdError, match="hears of no event"):
        crmd.on_event()(handler)
    with pytest.raises(crmd.CrmdError, match="cannot have schedule"):
        crmd.on_event("x.y", schedule="@daily")(handler)
    with pytest.raises(crmd.CrmdError, match="does not say what event"):
        crmd.on_event("x.y")(untyped)
    with pytest.raises(crmd.CrmdError, match="not an async function"):
        crmd.on_event("x.y")(lambda *_: None)  # type: ignore[type-var]  # that is the mistake
