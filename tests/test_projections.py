from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import asyncpg
import pytest

import crmd
from crmd.engine.housekeeping import Housekeeping
from crmd.events.projecting import Projecting
from crmd.store import events
from crmd.store.queries import load_queries

if TYPE_CHECKING:
    from collections.abc import Sequence

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins("crm", "contacts")
SQL = load_queries("crmd.store")
INTERACTIONS = (Path(__file__).parent / "engine" / "interactions.sql").read_text("utf-8")
STATS = "SELECT s FROM contacts.contact_stats s ORDER BY s.workspace_id, s.contact_id"
ACTIVITY = "SELECT a FROM crm.user_activity a ORDER BY a.workspace_id, a.user_id"


def projecting(
    workbench: Workbench, *, window: int = 20_000, projections: Sequence[crmd.Projection] | None = None
) -> Projecting:
    """The loop of a daemon, to be stepped."""
    services = workbench.everything.services
    return Projecting(
        services.pools.plugins,
        services.projections if projections is None else projections,
        is_role_changed=services.is_role_changed,
        window=window,
    )


async def catch_up(daemon: Projecting) -> None:
    """Step until nothing is behind."""
    while await daemon.project_once() <= 0:
        pass


async def rebuild(connection: asyncpg.Connection[Any], name: str) -> int:
    """As `crmd events replay --to` a projection does."""
    generation: int = await connection.fetchval(SQL.projection_rebuild, name)
    return generation


async def rows(connection: asyncpg.Connection[Any], query: str) -> list[Any]:
    """All rows, of all workspaces."""
    return [tuple(row[0]) for row in await connection.fetch(query)]


async def test_a_rebuild_comes_to_what_is_live(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """Both built-in projections, folded in many small steps while events come, equal a rebuild in few large ones."""
    workspaces = [(uuid4(), uuid4()) for _ in range(3)]
    live = projecting(workbench, window=37)
    await catch_up(live)  # before the very first event
    for turn in range(6):
        for workspace_id, user_id in workspaces:
            await outside.fetchval(INTERACTIONS, workspace_id, user_id, 100, 20, f"{workspace_id}{turn}")
        await catch_up(live)
    before = [await rows(outside, query) for query in (STATS, ACTIVITY)]
    assert len(before[0]) > 20
    assert sum(row[2] for row in before[1]) == await outside.fetchval("SELECT count(*) FROM crmd.event")
    for name in ("contact-stats", "user-activity"):
        assert await rebuild(outside, name) == 2
    await catch_up(projecting(workbench))
    assert await outside.fetchval("SELECT crmd.generation('contact-stats') + crmd.generation('user-activity')") == 4
    assert [await rows(outside, query) for query in (STATS, ACTIVITY)] == before


async def test_statistics_of_a_contact(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """Messages each way, meetings, the last one, and the median time that the contact takes to answer in a thread."""
    workspace_id, contact, other = uuid4(), uuid4(), uuid4()

    async def happens(kind: str, direction: str | None, minute: int, who: UUID = contact, thread: str = "t") -> None:
        await outside.execute(
            """SELECT crmd.emit('interaction.recorded', jsonb_build_object('interactionId', gen_random_uuid(),
            'contactId', $1::uuid, 'kind', $2::text, 'direction', $3::text, 'threadId', $4::text,
            'occurredAt', timestamptz '2026-01-05 09:00Z' + make_interval(mins => $5)), $6)""",
            who, kind, direction, thread, minute, workspace_id,
        )  # fmt: skip

    daemon = projecting(workbench)
    await happens("email", "inbound", 30)  # the answer is synced before the question
    await happens("email", "outbound", 0)
    await catch_up(daemon)
    await happens("email", "outbound", 60, other)
    await happens("email", "inbound", 70, other)
    await happens("email", "inbound", 5, other, "another thread")
    await happens("meeting", None, 90)
    await outside.execute(
        """SELECT crmd.emit('contact.merged', jsonb_build_object('contactId', $1::uuid,
        'mergedContactId', $2::uuid), $3)""",
        contact, other, workspace_id,
    )  # fmt: skip
    await catch_up(daemon)
    await happens("email", "outbound", 100, other)  # by the id that is no longer kept
    await catch_up(daemon)
    [row] = await outside.fetch("SELECT * FROM contacts.contact_stats")
    assert row["contact_id"] == contact
    assert (row["sent"], row["received"], row["meetings"]) == (3, 3, 1)
    assert row["last_interaction_at"].isoformat() == "2026-01-05T10:40:00+00:00"
    assert row["median_response_seconds"] == 20 * 60  # of 30 and 10 minutes


async def test_nobody_sees_half_a_rebuild(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """While a generation is built the one before is read; once replaced, its rows are removed."""
    await outside.fetchval(INTERACTIONS, uuid4(), uuid4(), 400, 20, "seed")
    daemon = projecting(workbench, window=20)
    assert await daemon.project_once() <= 0
    assert await rows(outside, STATS) == []  # nothing before the first generation has come to the end
    await catch_up(daemon)
    before = await rows(outside, STATS)
    await rebuild(outside, "contact-stats")
    steps = 0
    while await outside.fetchval("SELECT crmd.generation('contact-stats')") == 1:
        assert await rows(outside, STATS) == before
        await daemon.project_once()
        steps += 1
    assert steps > 1
    assert await rows(outside, STATS) == before
    await catch_up(daemon)
    assert await outside.fetchval("SELECT array_agg(DISTINCT generation) FROM contacts.touch") == [2]
    assert await outside.fetchval("SELECT count(*) FROM crmd.projection WHERE name = 'contact-stats'") == 1


async def test_a_late_commit_is_not_missed(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """An event whose transaction commits after later ones were emitted is folded in all the same."""
    daemon = projecting(workbench)
    workspace_id = uuid4()
    late = await asyncpg.connect(workbench.everything.config.database.dsn.reveal())  # type: ignore[union-attr]  # a test's database has an address
    transaction = late.transaction()
    await transaction.start()
    await late.fetchval(INTERACTIONS, workspace_id, uuid4(), 10, 3, "late")
    await outside.fetchval(INTERACTIONS, workspace_id, uuid4(), 10, 3, "early")
    await catch_up(daemon)
    assert await rows(outside, ACTIVITY) == []  # nobody passes by what is still open
    await transaction.commit()
    await late.close()
    await catch_up(daemon)
    assert len(await rows(outside, ACTIVITY)) == 2


async def test_the_horizon_moves_behind_whoever_is_open(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """With somebody always in the middle of a transaction, what is older than that becomes settled."""
    pool = workbench.everything.pools.control
    opened: list[tuple[Any, Any]] = []
    for turn in range(4):
        connection = await asyncpg.connect(workbench.everything.config.database.dsn.reveal())  # type: ignore[union-attr]  # a test's database has an address
        transaction = connection.transaction()
        await transaction.start()
        await connection.fetchval("SELECT crmd.emit('x.y')")
        opened.append((connection, transaction))
        settled = await events.settled_seq(pool)
        await events.settled_seq(pool)
        if turn:
            await opened[turn - 1][1].commit()
            await opened[turn - 1][0].close()
    settled = await events.settled_seq(pool)
    assert 2 <= settled < await outside.fetchval("SELECT last_value FROM crmd.event_seq")
    await opened[-1][1].rollback()
    await opened[-1][0].close()
    assert await events.settled_seq(pool) == 4


async def test_a_broken_fold_stands_still_and_is_named(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """A fold that fails moves no cursor, is tried again later and holds up no other projection."""
    broken = crmd.Projection(
        name="broken", events=("*",), fold="SELECT $2::bigint + $3::bigint / ($1::integer - $1)", reset="SELECT $1"
    )
    others = workbench.everything.services.projections
    async with workbench.everything.pools.control.acquire() as connection:
        await events.declare_projections(connection, [], [broken])
    await outside.fetchval(INTERACTIONS, uuid4(), uuid4(), 20, 3, "seed")
    await catch_up(projecting(workbench, projections=[broken, *others]))
    row = await outside.fetchrow("SELECT * FROM crmd.projection WHERE name = 'broken'")
    assert row is not None
    assert (row["seq"], row["failures"], row["error"]) == (0, 1, "division by zero (SQLSTATE 22012)")
    assert len(await rows(outside, ACTIVITY)) == 1


async def test_a_higher_version_is_built_by_itself(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """Declaring another version of a projection builds it anew; declaring the same one does nothing."""
    [stats] = [one for one in workbench.everything.services.projections if one.name == "contact-stats"]
    newer = crmd.Projection(
        name=stats.name, events=stats.events, fold=stats.fold, reset=stats.reset, plugin="contacts", version=2
    )
    await catch_up(projecting(workbench))
    async with workbench.everything.pools.control.acquire() as connection:
        for one in (stats, newer, newer):
            await events.declare_projections(connection, ["contacts"], [one])
    states = await outside.fetch("SELECT generation, version, state FROM crmd.projection WHERE name = $1", stats.name)
    assert sorted(map(tuple, states)) == [(1, 1, "live"), (2, 2, "building")]
    await catch_up(projecting(workbench, projections=[newer]))
    assert await outside.fetchval("SELECT crmd.generation('contact-stats')") == 2


async def test_every_daemon_keeps_them_up_to_date(workbench: Workbench, outside: asyncpg.Connection[Any]) -> None:
    """Projecting is among the loops of a daemon, with whatever plugins it has by then."""
    house: Any = SimpleNamespace(services=workbench.everything.services)
    step = Housekeeping(house).steps()["projecting"]
    await outside.fetchval(INTERACTIONS, uuid4(), uuid4(), 20, 3, "seed")
    while await step() <= 0:
        pass
    assert len(await rows(outside, ACTIVITY)) == 1
