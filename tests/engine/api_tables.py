"""Writes the tables of routes in docs/api.md. After adding a route: `python tests/engine/api_tables.py`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.api.server import ROUTES

if TYPE_CHECKING:
    from crmd.api.route import Route

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
TABLE = re.compile(r"<!-- routes: (\w+) -->\n.*?<!-- end -->", re.DOTALL)


def kind_of(route: Route) -> str:
    """In which table a route stands."""
    if route.scope is None or route.is_for_all:
        return "everybody"
    return "operators" if route.needs_operator else "workspaces"


def row_of(route: Route) -> str:
    """A route's line."""
    path = route.path.removeprefix("/api/workspaces/{workspaceId}")
    place = f"…{path}" if path != route.path else path
    scope = "" if route.scope is None else f"`{route.scope}`"
    key = " ⟲" if route.is_idempotent else ""
    return f"| `{route.method} {place}`{key} | {scope} | {route.summary.rstrip('.')} |"


def tables(text: str) -> str:
    """The page with its tables as they have to be."""
    known = {
        kind: "\n".join(row_of(route) for route in sorted(ROUTES, key=_order) if kind_of(route) == kind)
        for kind in ("everybody", "workspaces", "operators")
    }

    def table(found: re.Match[str]) -> str:
        head = "| request | scope | |\n| --- | --- | --- |\n"
        return f"<!-- routes: {found[1]} -->\n{head}{known[found[1]]}\n<!-- end -->"

    return TABLE.sub(table, text)


def _order(route: Route) -> tuple[str, str, str]:
    return route.tag, route.path, route.method


if __name__ == "__main__":
    PAGE.write_text(tables(PAGE.read_text("utf-8")), "utf-8")
