"""Who may call what: nothing of the schema is everybody's; a role of an application gets what its grant names."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

FUNCTIONS = """
SELECT p.oid::regprocedure::text AS name, p.prosecdef AS is_definer, p.proconfig AS settings,
    has_function_privilege('public', p.oid, 'EXECUTE') AS is_public
FROM pg_proc p WHERE p.pronamespace = 'crmd'::regnamespace
"""
GRANTED = """
SELECT DISTINCT p.proname FROM pg_proc p
WHERE p.pronamespace = 'crmd'::regnamespace AND has_function_privilege('crmd_test_role', p.oid, 'EXECUTE')
"""
TABLES = """
SELECT c.relname FROM pg_class c WHERE c.relnamespace = 'crmd'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'S')
  AND EXISTS (SELECT FROM aclexplode(c.relacl) a WHERE a.grantee = 0)
"""


async def granted(pool: Pool, *grants: str) -> set[str]:
    """The functions that a new role may call after these grants."""
    async with pool.acquire() as connection:
        transaction = connection.transaction()  # a role is the whole server's, so it is never committed
        await transaction.start()
        await connection.execute("CREATE ROLE crmd_test_role")
        for grant in grants:
            await connection.execute(f"SELECT crmd.{grant}('crmd_test_role')")
        names = {row["proname"] for row in await connection.fetch(GRANTED)}
        await transaction.rollback()
    return names


async def test_no_function_is_everybodys(database: Pool) -> None:
    """Whoever can connect cannot by that alone call anything of crmd, which acts for every workspace."""
    assert [row["name"] for row in await database.fetch(FUNCTIONS) if row["is_public"]] == []
    assert await granted(database) == set()
    assert await database.fetch(TABLES) == []


async def test_borrowed_rights_come_with_a_fixed_path(database: Pool) -> None:
    """A function that runs with its owner's rights finds nothing in a schema that its caller has put in its way."""
    definers = [row for row in await database.fetch(FUNCTIONS) if row["is_definer"]]
    assert definers
    loose = [row["name"] for row in definers if "search_path=pg_catalog" not in (row["settings"] or [])]
    assert loose == []


async def test_a_grant_gives_what_it_names(database: Pool) -> None:
    """A role that may enqueue may enqueue, batch, cancel and emit; the other grants add schedules and events."""
    enqueue = {"enqueue", "enqueue_many", "enqueue_batch", "batch", "batch_add", "cancel", "emit", "emit_many"}
    assert await granted(database, "grant_enqueue") == enqueue
    assert await granted(database, "grant_schedule") == {"schedule", "schedule_many", "unschedule", "move_subject"}
    assert await granted(database, "grant_events") == {"settled_seq", "listen_events"}


async def test_a_role_can_use_what_it_was_granted(database: Pool) -> None:
    """What a granted function calls inside needs no further right."""
    await database.execute("INSERT INTO crmd.job_type (name, plugin, queue) VALUES ('work', 'test', 'normal')")
    async with database.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("CREATE ROLE crmd_test_role")
        for grant in ("grant_enqueue", "grant_schedule", "grant_events"):
            await connection.execute(f"SELECT crmd.{grant}('crmd_test_role')")
        await connection.execute("SET LOCAL ROLE crmd_test_role")
        first = await connection.fetchval("SELECT crmd.enqueue('work', unique_key => 'k', on_conflict => 'replace')")
        second = await connection.fetchval("SELECT crmd.enqueue('work', after => ARRAY[$1::uuid])", first)
        batch = await connection.fetchval(
            """SELECT crmd.batch('[{"type": "work"}, {"type": "work"}]', on_finish => '{"type": "work"}')"""
        )
        await connection.fetch("""SELECT crmd.batch_add($1, '[{"type": "work"}]')""", batch)
        await connection.fetch(
            "SELECT crmd.emit('thing.happened'), crmd.listen_events('*', $1), crmd.settled_seq()", first
        )
        await connection.fetch("SELECT crmd.schedule('s', 'work', 'every 90s'), crmd.unschedule('s')")
        assert await connection.fetchval("SELECT crmd.cancel($1)", second) == "cancelled"
        await connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
        await transaction.rollback()
