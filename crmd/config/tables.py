"""The flat entries sorted into the tables they belong to, and what belongs to none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from crmd.config.settings import FREE_SECTIONS, NAMED_SECTIONS, SECTIONS
from crmd.config.validation import Problem, Table, unknown_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from crmd.config.layers import Entry, KeyPath

_ALL_SECTIONS = sorted({*SECTIONS, *NAMED_SECTIONS, *FREE_SECTIONS})


class Tables(dict["KeyPath", Table]):
    """Tables by path: `("log",)`, `("queues", "fast")`, `("plugins", "gmail")`."""

    def named(self, section: str) -> Iterator[tuple[str, Table]]:
        """The tables `[section.<name>]` that are given, by name."""
        return ((path[1], table) for path, table in self.items() if path[0] == section and path[1:])


def tables_of(entries: Mapping[KeyPath, Entry]) -> tuple[Tables, list[Problem]]:
    """Every entry in its table; entries of unknown sections become problems."""
    tables = Tables()
    problems: list[Problem] = []
    for path, entry in entries.items():
        fault = _misplaced(path, entry)
        if fault:
            problems.append(Problem(entry.origin, fault))
            continue
        depth = _depth(path, entry)
        below = tables.get(path[:depth]) or Table(".".join(path[:depth]), origin=entry.origin)
        leaves = {path[depth:]: entry} if path[depth:] else {}
        tables[path[:depth]] = Table(below.name, {**below.entries, **leaves}, below.origin)
    return tables, problems


def parameters(table: Table | None) -> tuple[dict[str, str], list[Problem]]:
    """The PostgreSQL parameters of `[embedded]` as the server reads them."""
    result: dict[str, str] = {}
    problems: list[Problem] = []
    for path, entry in table.entries.items() if table else ():
        name = ".".join(path)
        match entry.value:
            case bool() as flag:
                result[name] = "on" if flag else "off"
            case str() | int() | float() as value:
                result[name] = str(value)
            case _:
                problems.append(Problem(entry.origin, f"embedded.{name}: expected a text, number or boolean."))
    return result, problems


def _depth(path: KeyPath, entry: Entry) -> int:
    """How much of the path names the table: `[plugins]` holds keys of its own and tables of plugins."""
    if path[0] in NAMED_SECTIONS:
        return 2
    if path[0] == "plugins" and (len(path) > 2 or entry.value == {}):  # noqa: PLR2004 - plugins.<name>.<key>
        return 2
    return 1


def _misplaced(path: KeyPath, entry: Entry) -> str:
    """Why this entry fits no table; empty when it does."""
    section = path[0]
    if section not in _ALL_SECTIONS:
        return unknown_name("section", section, _ALL_SECTIONS)
    if len(path) == 1 and entry.value != {}:
        return f"'{section}' is a table: write [{section}] and its keys below it."
    if section in NAMED_SECTIONS and len(path) == 2 and entry.value != {}:  # noqa: PLR2004 - section.<name>
        keys = ", ".join(one.name for one in msgspec.structs.fields(NAMED_SECTIONS[section]))
        return f"'{'.'.join(path)}' is a table: write [{'.'.join(path)}] with the keys {keys}."
    return ""
