"""Schedules made at run time: by handlers, by applications, by subject, for once."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest

import crmd
from crmd.composition import declare
from crmd.engine.scheduler import schedule_once

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from crmd.testing import Workbench

    App = asyncpg.Connection[asyncpg.Record]

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
DAILY = crmd.Schedule(expression="0 9 * * *", timezone="Europe/Zurich", overlap="allow")
CONNECTION = """
INSERT INTO crmd.connection (workspace_id, provider, account) VALUES ($1, 'test', 'a@b.example') RETURNING id
"""


class Note(crmd.Payload, frozen=True):
    """What a reminder is about."""

    text: str = ""
    connection_id: UUID | None = None


class Wish(crmd.Payload, frozen=True):
    """What a handler is to schedule."""

    workspace_id: UUID | None = None
    job_type: str = "remind"
    is_failing: bool = False


@crmd.job("remind", connection="connectionId")
async def remind(ctx: crmd.Context, payload: Note) -> dict[str, Any]:
    """Answers what it was told by its tick."""
    return {"text": payload.text, **ctx.job.meta}


@crmd.job("once-only", unique=crmd.Unique(scope="unfinished"))
async def once_only(ctx: crmd.Context) -> None:
    """One at a time, whoever asks for it."""


@crmd.job("secretly", is_payload_sealed=True)
async def secretly(ctx: crmd.Context, payload: Note) -> str:
    """Answers what only it can read."""
    return payload.text


@crmd.job("wish")
async def wish(ctx: crmd.Context, payload: Wish) -> list[str]:
    """Makes a schedule in a transaction."""
    async with ctx.transaction() as tx:
        ids = await tx.schedules.add(
            crmd.NewSchedule(
                name="digest",
                job_type=payload.job_type,
                when="@daily",
                payload=Note(text="x"),
                workspace_id=payload.workspace_id,
            )
        )
        if payload.is_failing:
            raise crmd.FailJob("after all not")
    return ids


@crmd.job("tidy")
async def tidy(ctx: crmd.Context) -> dict[str, int]:
    """Moves one subject and drops another."""
    at = datetime(2026, 3, 3, 15, tzinfo=UTC)
    return {"moved": await ctx.schedules.move("meeting:1", at), "gone": await ctx.schedules.remove(subject="meeting:2")}


pytestmark = pytest.mark.crmd_plugins(sys.modules[__name__])


@pytest.fixture
async def app(workbench: Workbench) -> AsyncIterator[App]:
    """A connection as an application has it, at noon of a Monday in March."""
    await workbench.clock.freeze(NOON)
    dsn = workbench.everything.config.database.dsn
    assert dsn is not None
    connection = await asyncpg.connect(dsn.reveal())
    yield connection
    await connection.close()


async def fired(workbench: Workbench) -> list[tuple[str, datetime]]:
    """Every tick that made a job, by schedule and time."""
    rows = await workbench._pool.fetch(
        "SELECT schedule_id, due_at FROM crmd.tick WHERE job_id IS NOT NULL ORDER BY due_at, schedule_id"
    )
    return [tuple(row) for row in rows]


async def at(workbench: Workbench, instant: datetime) -> None:
    """Let it be that instant, and let a daemon look."""
    await workbench.clock.freeze(instant)
    await workbench.tick()


async def row_of(workbench: Workbench, schedule_id: str) -> Mapping[str, Any]:
    """A row of crmd.schedule."""
    row = await workbench._pool.fetchrow("SELECT * FROM crmd.schedule WHERE id = $1", schedule_id)
    assert row is not None
    return dict(row)


async def test_a_user_gets_the_time_of_their_zone(workbench: Workbench, app: App) -> None:
    """A schedule of a workspace and a user fires at 9:00 on their clock; its job is theirs and knows its tick."""
    user = uuid4()
    new = crmd.NewSchedule(
        name="digest", job_type="remind", when=DAILY, payload={"text": "hi"}, workspace_id=uuid4(), user_id=user
    )
    [schedule_id] = await crmd.schedule(app, new)
    assert schedule_id == f"{new.workspace_id}/digest"
    for day in (3, 4):
        await at(workbench, datetime(2026, 3, day, 8, tzinfo=UTC))
    assert [tick for _, tick in await fired(workbench)] == [datetime(2026, 3, day, 8, tzinfo=UTC) for day in (3, 4)]
    done = sorted(await workbench.drain(), key=lambda job: str(job.result["dueAt"]))
    assert [job.result["text"] for job in done] == ["hi", "hi"]
    assert done[1].result == {
        "text": "hi",
        "scheduleId": schedule_id,
        "dueAt": "2026-03-04T08:00:00+00:00",
        "previousDueAt": "2026-03-03T08:00:00+00:00",
        "timezone": "Europe/Zurich",
        "isBackfilled": False,
    }
    assert await workbench._pool.fetchval("SELECT bool_and(user_id = $1) FROM crmd.jobs", user)


async def test_names_are_a_workspaces_own(workbench: Workbench, app: App) -> None:
    """Two workspaces may choose one name, and none can take the schedule of a plugin or of another."""
    one, two = uuid4(), uuid4()
    made = [crmd.NewSchedule(name="digest", job_type="remind", when=DAILY, workspace_id=w) for w in (one, two, None)]
    assert await crmd.schedule(app, *made) == [f"{one}/digest", f"{two}/digest", "digest"]
    assert await crmd.unschedule(app, "digest", workspace_id=one) == 1
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.schedule") == 2
    for name in (f"{two}/digest", "test_schedules/remind", "", "a b", "x" * 201, "ä", "-x"):
        with pytest.raises(crmd.CrmdError, match="is no name for a schedule"):
            await crmd.schedule(app, crmd.NewSchedule(name=name, job_type="remind", when="@daily"))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"when": "when it rains"}, "five fields"),
        ({"when": "0 0 31 2 *"}, "never fires"),
        ({"when": crmd.Schedule(expression="@daily", timezone="Europe/Zurch")}, "no time zone"),
        ({"when": crmd.At(at=NOON, offset_seconds=-400 * 86400)}, "366 days"),
        ({"when": crmd.Schedule(expression="@daily", spread_seconds=-1)}, "schedule_bounds"),
        ({"when": crmd.Schedule(expression="@daily", catch_up_max=0)}, "schedule_bounds"),
        ({"job_type": "no-such"}, "no-such"),
        ({"connection_id": uuid4(), "workspace_id": uuid4()}, "schedule_connection"),
        ({"connection_id": uuid4()}, "schedule_tenant"),
        ({"payload": {"text": "x" * 300_000}}, "payload has"),
    ],
)
async def test_what_does_not_fit_is_refused(
    workbench: Workbench, app: App, wrong: Mapping[str, Any], sentence: str
) -> None:
    """Unreadable times, unknown job types and connections, and what is out of bounds are told, and nothing is made."""
    given = {"name": "a", "job_type": "remind", "when": "@daily", **wrong}
    with pytest.raises(crmd.CrmdError, match=sentence):
        await crmd.schedule(app, crmd.NewSchedule(**given))
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.schedule") == 0


async def test_changed_times_begin_now(workbench: Workbench, app: App) -> None:
    """Other times fire nothing again and make up for nothing; the same times keep their place, a pause is kept."""
    new = crmd.NewSchedule(name="a", job_type="remind", when=crmd.Schedule(expression="0 * * * *", overlap="allow"))
    await crmd.schedule(app, new)
    one = NOON + timedelta(hours=1)
    await at(workbench, one)
    assert await fired(workbench) == [("a", one)]
    await workbench.clock.freeze(one + timedelta(hours=3))
    changed = crmd.Schedule(expression="*/30 * * * *", catch_up="all", overlap="allow")
    await crmd.schedule(app, crmd.NewSchedule(name="a", job_type="remind", when=changed))
    await workbench.tick()
    assert await fired(workbench) == [("a", one)]
    await at(workbench, one + timedelta(hours=3, minutes=30))
    assert await fired(workbench) == [("a", one), ("a", one + timedelta(hours=3, minutes=30))]
    before = await row_of(workbench, "a")
    await crmd.schedule(app, crmd.NewSchedule(name="a", job_type="remind", when=changed))
    assert await row_of(workbench, "a") == before
    await workbench._pool.execute("UPDATE crmd.schedule SET is_paused = true")
    await crmd.schedule(app, new)
    assert (await row_of(workbench, "a"))["is_paused"]


async def test_nothing_is_lost_while_no_daemon_runs(workbench: Workbench, app: App) -> None:
    """A tick between the making of a schedule and a daemon's first look fires when it looks."""
    await crmd.schedule(app, crmd.NewSchedule(name="a", job_type="remind", when=DAILY))
    await at(workbench, NOON + timedelta(days=1))
    assert await fired(workbench) == [("a", datetime(2026, 3, 3, 8, tzinfo=UTC))]


async def test_a_handler_makes_schedules_with_its_commit(workbench: Workbench) -> None:
    """A transaction that fails makes none; one that commits makes one, of the job's workspace; no other is allowed."""
    assert (await workbench.run_job("wish", {"isFailing": True})).status == "failed"
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.schedule") == 0
    other = await workbench.run_job("wish", {"workspaceId": str(uuid4())})
    assert (other.status, other.message) == ("failed", "A job with a workspace cannot make schedules for another one.")
    unfit = await workbench.run_job("wish", {"jobType": "wish"})
    assert "does not fit" in unfit.message
    done = await workbench.run_job("wish")
    assert done.result == [f"{workbench.workspace_id}/digest"]
    assert await workbench._pool.fetchval("SELECT workspace_id FROM crmd.schedule") == workbench.workspace_id


async def test_a_reminder_moves_with_its_subject(workbench: Workbench, app: App) -> None:
    """One hour before a meeting, wherever it moves: once for each time it has, and at once when that hour has begun."""
    meeting = NOON + timedelta(hours=5)
    when = crmd.At(at=meeting, offset_seconds=-3600)
    await crmd.schedule(app, crmd.NewSchedule(name="m", job_type="remind", when=when, subject="meeting:42"))
    await at(workbench, NOON + timedelta(hours=3))
    assert await crmd.move_subject(app, "meeting:42", NOON + timedelta(hours=8)) == 1
    await at(workbench, NOON + timedelta(hours=4))
    assert await fired(workbench) == []
    await at(workbench, NOON + timedelta(hours=7))
    assert await fired(workbench) == [("m", NOON + timedelta(hours=7))]
    assert (await row_of(workbench, "m"))["done_at"] is not None
    await workbench.drain()
    assert await crmd.move_subject(app, "meeting:42", NOON + timedelta(hours=7, minutes=30)) == 1
    await workbench.tick()
    late = NOON + timedelta(hours=6, minutes=30)
    assert await fired(workbench) == [("m", late), ("m", NOON + timedelta(hours=7))]
    await workbench.drain()
    assert await crmd.move_subject(app, "meeting:42", NOON + timedelta(hours=5)) == 1
    await workbench.tick()
    assert len(await fired(workbench)) == 2
    assert await crmd.move_subject(app, "meeting:42", NOON + timedelta(hours=8)) == 1  # back to what had fired
    await workbench.tick()
    assert len(await fired(workbench)) == 2


async def test_a_skipping_reminder_is_never_late(workbench: Workbench, app: App) -> None:
    """With catch_up skip, a reminder whose time passed before the subject moved does not fire."""
    when = crmd.At(at=NOON + timedelta(hours=5), offset_seconds=-3600, catch_up="skip")
    await crmd.schedule(app, crmd.NewSchedule(name="m", job_type="remind", when=when, subject="meeting:42"))
    await crmd.move_subject(app, "meeting:42", NOON + timedelta(minutes=10))
    await workbench.tick()
    assert await fired(workbench) == []
    assert (await row_of(workbench, "m"))["done_at"] == NOON


async def test_subjects_are_a_workspaces_own(workbench: Workbench, app: App) -> None:
    """A handler moves and drops the subjects of its workspace alone."""
    for number, workspace_id in enumerate((workbench.workspace_id, uuid4())):
        for subject in ("meeting:1", "meeting:2"):
            new = crmd.NewSchedule(
                name=subject,
                job_type="remind",
                when=crmd.At(at=NOON + timedelta(days=9 + number)),
                workspace_id=workspace_id,
                subject=subject,
            )
            await crmd.schedule(app, new)
    assert (await workbench.run_job("tidy")).result == {"moved": 1, "gone": 1}
    rows = await workbench._pool.fetch("SELECT expression FROM crmd.schedule ORDER BY id, workspace_id = $1", uuid4())
    assert sorted(row[0][:13] for row in rows) == ["at 2026-03-03", "at 2026-03-12", "at 2026-03-12"]


async def test_a_wall_clock_reading_is_safe_at_the_changes(workbench: Workbench, app: App) -> None:
    """A reading in the gap fires at its end, one that comes twice in the first pass, and moves as a reading too."""
    gap = datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001 - a reading of a clock
    twice = datetime(2026, 10, 25, 2, 30)  # noqa: DTZ001 - the same
    for name, reading in (("gap", gap), ("twice", twice)):
        when = crmd.At(at=reading, timezone="Europe/Zurich")
        await crmd.schedule(app, crmd.NewSchedule(name=name, job_type="remind", when=when, subject=name))
    await workbench.tick()
    assert (await row_of(workbench, "gap"))["next_due_at"] == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert (await row_of(workbench, "twice"))["next_due_at"] == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert await crmd.move_subject(app, "twice", gap + timedelta(hours=1)) == 1
    await workbench.tick()
    moved = datetime(2026, 3, 29, 3, 30, tzinfo=ZoneInfo("Europe/Zurich"))
    assert (await row_of(workbench, "twice"))["next_due_at"] == moved


async def test_a_connection_takes_its_schedules_along(workbench: Workbench, app: App) -> None:
    """The jobs of a connection's schedule name it and wait behind its gate; removed, its schedules are gone."""
    workspace_id = uuid4()
    connection_id = await workbench._pool.fetchval(CONNECTION, workspace_id)
    new = crmd.NewSchedule(
        name="sync", job_type="remind", when=DAILY, workspace_id=workspace_id, connection_id=connection_id
    )
    [schedule_id] = await crmd.schedule(app, new)
    await at(workbench, NOON + timedelta(days=1))
    [job] = await workbench._pool.fetch("SELECT payload, lane FROM crmd.job WHERE type = 'remind'")
    assert f"connection/{connection_id}" in job["lane"].split()
    assert json.loads(job["payload"]) == {"connectionId": str(connection_id)}
    await workbench._pool.execute("DELETE FROM crmd.connection")
    assert await workbench._pool.fetchrow("SELECT FROM crmd.schedule WHERE id = $1", schedule_id) is None


async def test_sql_schedules_as_python_does(workbench: Workbench, app: App) -> None:
    """Any language schedules, moves and drops with SQL functions, in its own transaction."""
    async with app.transaction():
        await app.execute("SELECT crmd.schedule('daily', 'remind', '0 9 * * *', timezone => 'Europe/Zurich')")
        await app.execute(
            "SELECT crmd.schedule('m', 'remind', at => $1, offset_seconds => -600, subject => 'meeting:9')",
            NOON + timedelta(hours=1),
        )
    assert await app.fetchval("SELECT crmd.move_subject('meeting:9', $1)", NOON + timedelta(hours=2)) == 1
    await at(workbench, NOON + timedelta(hours=2))
    await at(workbench, NOON + timedelta(days=1))
    assert await fired(workbench) == [
        ("m", NOON + timedelta(hours=1, minutes=50)), ("daily", datetime(2026, 3, 3, 8, tzinfo=UTC))
    ]  # fmt: skip
    assert await app.fetchval("SELECT crmd.unschedule(subject => 'meeting:9')") == 1
    with pytest.raises(asyncpg.PostgresError, match="nothing says which"):
        await app.fetchval("SELECT crmd.unschedule()")


async def test_a_unique_job_type_is_made_once(workbench: Workbench, app: App) -> None:
    """Schedules of a unique job type obey its key: of three with one payload one makes the job, the others say why."""
    new = [
        crmd.NewSchedule(
            name=f"u{n}", job_type="once-only", when=crmd.Schedule(expression="* * * * *", overlap="allow")
        )
        for n in range(3)
    ]
    await crmd.schedule(app, *new)
    await workbench.tick()
    await at(workbench, NOON + timedelta(minutes=1))
    assert len(await fired(workbench)) == 1
    reasons = await workbench._pool.fetch("SELECT reason FROM crmd.tick WHERE job_id IS NULL")
    assert [row["reason"] for row in reasons] == ["the job of an earlier tick is unfinished"] * 2


async def test_an_unknown_role_schedules_nothing(workbench: Workbench, app: App) -> None:
    """Roles need the grant to schedule, and with it need no right on any table."""
    await app.execute("CREATE ROLE crmd_test_stranger")
    try:
        call = "SELECT crmd.schedule('a', 'remind', '@daily')"
        await app.execute("GRANT USAGE ON SCHEMA crmd TO crmd_test_stranger; SET ROLE crmd_test_stranger")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await app.execute(call)
        await app.execute("RESET ROLE; SELECT crmd.grant_schedule('crmd_test_stranger'); SET ROLE crmd_test_stranger")
        await app.execute(call)
    finally:
        await app.execute("RESET ROLE; DROP OWNED BY crmd_test_stranger; DROP ROLE crmd_test_stranger")
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.schedule") == 1


async def test_a_sealed_payload_stays_sealed(workbench: Workbench, app: App) -> None:
    """A handler seals the payload of a schedule as it is made; SQL, which cannot, is refused."""
    await workbench.run_job("wish", {"jobType": "secretly"})
    [schedule_id] = [row["id"] for row in await app.fetch("SELECT id FROM crmd.schedule WHERE origin = 'runtime'")]
    assert set(json.loads((await row_of(workbench, schedule_id))["payload"])) == {"$sealed"}
    await at(workbench, NOON + timedelta(days=1))
    assert [job.result for job in await workbench.drain()] == ["x"]
    with pytest.raises(asyncpg.PostgresError, match="are sealed"):
        await app.fetchval("SELECT crmd.schedule('a', 'secretly', '@daily', '{\"text\": \"x\"}')")


async def test_a_job_type_that_is_back_takes_its_schedules_up(workbench: Workbench, app: App) -> None:
    """What was set aside since its plugin was gone goes on when the plugin is declared again, by its catch-up."""
    await crmd.schedule(app, crmd.NewSchedule(name="a", job_type="remind", when=DAILY))
    everything = workbench.everything
    await workbench._pool.execute("DELETE FROM crmd.job_type WHERE name = 'remind'")
    await at(workbench, NOON + timedelta(days=1))
    assert "remind" in (await row_of(workbench, "a"))["error"]
    async with everything.pools.control.acquire() as connection:
        await declare(connection, everything.config, everything.loaded)
    await workbench.tick()
    assert await fired(workbench) == [("a", datetime(2026, 3, 3, 8, tzinfo=UTC))]


async def test_two_daemons_share_and_double_nothing(workbench: Workbench, app: App) -> None:
    """Three thousand due at one instant, fired by two daemons that look at the same time, are as many jobs."""
    new = [crmd.NewSchedule(name=f"n{n}", job_type="remind", when=DAILY) for n in range(3000)]
    await crmd.schedule(app, *new)
    await workbench.tick()
    await workbench.clock.freeze(NOON + timedelta(days=1))
    pool = workbench.everything.pools.control
    await asyncio.gather(*(schedule_once(pool) for _ in range(4)))
    assert len(await fired(workbench)) == 3000
    assert await workbench._pool.fetchval("SELECT count(DISTINCT meta ->> 'scheduleId') FROM crmd.job") == 3000
