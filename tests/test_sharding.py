"""Each table has its place in docs/scaling.md, and what is said of it there is so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from crmd.testing import Workbench

TABLES = """
SELECT c.relnamespace::regnamespace::text AS schema, c.relname AS name,
    EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'workspace_id') AS has_workspace,
    NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND NOT EXISTS (
        SELECT FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname = 'workspace_id' AND a.attnum = ANY (i.indkey))) AS has_workspace_in_keys
FROM pg_class c WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'test_clock'
    AND c.relnamespace::regnamespace::text NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
"""
GUIDE = (Path(__file__).parents[1] / "docs" / "scaling.md").read_text("utf-8")


def named_under(heading: str) -> set[str]:
    """The tables in the paragraph that begins so."""
    paragraph = GUIDE.partition(f"**{heading}")[2].partition("\n\n")[0]
    assert paragraph, heading
    return set(re.findall(r"`([a-z_]+)`", paragraph)) - {"workspace_id"}


@pytest.mark.crmd_plugins("crm", "gmail", "contacts", "health")
async def test_each_table_has_its_place(workbench: Workbench) -> None:
    """Keys with and without the workspace, no workspace at all: every table stands where it belongs, and once."""
    rows = await workbench.everything.pools.control.fetch(TABLES)
    core = {row["name"]: row for row in rows if row["schema"] == "crmd"}
    whole = {name for name, row in core.items() if row["has_workspace"] and row["has_workspace_in_keys"]}
    half = {name for name, row in core.items() if row["has_workspace"]} - whole
    assert named_under("Distributed by `workspace_id`, as they are") == whole
    assert named_under("Distributed by `workspace_id`, with another key") == half
    headings = ("Distributed with their job", "By their text", "The same on every shard", "One for the fleet")
    others = [name for heading in headings for name in named_under(heading)]
    assert sorted(others) == sorted(core.keys() - whole - half)


@pytest.mark.crmd_plugins("crm", "gmail", "contacts", "health")
async def test_keys_of_plugins_begin_with_the_workspace(workbench: Workbench) -> None:
    """What plugins keep could be split by workspace as it is."""
    rows = await workbench.everything.pools.control.fetch(TABLES)
    plugins = [row for row in rows if row["schema"] != "crmd"]
    assert plugins
    assert [row["name"] for row in plugins if not row["has_workspace_in_keys"]] == []
