from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import pytest

if TYPE_CHECKING:
    from tests.conftest import Crm

UNFORCED = """
SELECT c.relname FROM pg_class c
WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind IN ('r', 'p')
  AND NOT (c.relrowsecurity AND c.relforcerowsecurity)
"""
POLICIES = """
SELECT c.relname, p.qual, p.with_check FROM pg_class c
LEFT JOIN pg_policies p ON p.schemaname = 'crm' AND p.tablename = c.relname
WHERE c.relnamespace = 'crm'::regnamespace AND c.relkind IN ('r', 'p')
"""
LEADING_KEYS = """
SELECT i.indexrelid::regclass::text AS key, a.attname, a.attnotnull
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid AND c.relnamespace = 'crm'::regnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE i.indisunique
"""
LEADING_FOREIGN = """
SELECT k.conname, a.attname FROM pg_constraint k
JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
WHERE k.contype = 'f' AND k.connamespace = 'crm'::regnamespace
"""
VIEWS = "SELECT relname, reloptions FROM pg_class WHERE relnamespace = 'crm'::regnamespace AND relkind = 'v'"


async def test_row_level_security_is_forced_everywhere(crm: Crm) -> None:
    """Every table of schema crm forces row-level security, also on its owner."""
    assert await crm.pool.fetch(UNFORCED) == []


async def test_every_policy_is_the_workspace(crm: Crm) -> None:
    """Reading and writing are both bound to the workspace of the transaction."""
    rows = await crm.pool.fetch(POLICIES)
    assert len(rows) == 15
    rules = {rule.replace("crmd.", "") for row in rows for rule in (row["qual"], row["with_check"])}
    assert rules == {"(workspace_id = workspace_id())"}


async def test_every_key_starts_with_the_workspace(crm: Crm) -> None:
    """No unique or foreign key can span tenants: workspace_id leads each and is NOT NULL."""
    keys = await crm.pool.fetch(LEADING_KEYS)
    assert {(row["attname"], row["attnotnull"]) for row in keys} == {("workspace_id", True)}
    assert {row["attname"] for row in await crm.pool.fetch(LEADING_FOREIGN)} == {"workspace_id"}


async def test_views_ask_with_the_reader_s_rights(crm: Crm) -> None:
    """A view doesn't open what the policy closes."""
    assert all("security_invoker=true" in row["reloptions"] for row in await crm.pool.fetch(VIEWS))


async def test_another_workspace_sees_and_changes_nothing(crm: Crm) -> None:
    """What one tenant wrote is invisible to the next, and can't be written for somebody else."""
    async with crm.transaction() as tx:
        await tx.execute("INSERT INTO crm.contact (workspace_id, full_name) VALUES ($1, 'Ada')", crm.workspace_id)
    async with crm.transaction(uuid4()) as tx:
        assert await tx.fetchval("SELECT count(*) FROM crm.contact") == 0
        assert await tx.execute("DELETE FROM crm.contact") == "DELETE 0"
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await tx.execute("INSERT INTO crm.contact (workspace_id) VALUES ($1)", crm.workspace_id)


async def test_a_company_of_another_workspace_cannot_be_referred_to(crm: Crm) -> None:
    """A foreign key carries the workspace, so a guessed id of another tenant is no reference."""
    async with crm.transaction() as tx:
        company = await tx.fetchval(
            "INSERT INTO crm.company (workspace_id, name) VALUES ($1, 'Acme') RETURNING id", crm.workspace_id
        )
    other = uuid4()
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        async with crm.transaction(other) as tx:
            await tx.execute("INSERT INTO crm.contact (workspace_id, company_id) VALUES ($1, $2)", other, company)
