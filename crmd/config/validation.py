"""Reading entries into typed settings, every problem at once with the place it stands at.

msgspec stops at the first fault of a value, so each key is converted on its own. No text ever shows the value of a
secret; msgspec names types, not values, except for a wrong choice, which is never a secret.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, get_args, get_origin

import msgspec

from crmd.allowed import worded
from crmd.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from crmd.config.layers import Entry, KeyPath

S = TypeVar("S", bound=msgspec.Struct)
_FROM_TEXT = (Secret, Path)
_CLOSE_ENOUGH = 0.6


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of the configuration.

    Args:
        where: `crmd.toml:12`, `$CRMD__LOG__LEVEL`, `credential …` or `flag`.
        sentence: What is wrong there.
    """

    where: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Table:
    """The entries below one table, not yet read.

    Args:
        name: Dotted, as in the file: `plugins.gmail`.
        entries: By the key path below the table.
        origin: Where to point when a key is missing from the table.
    """

    name: str
    entries: Mapping[KeyPath, Entry] = field(default_factory=dict)
    origin: str = "crmd.toml"


def check_table(kind: type[S], table: Table, start: S | None = None) -> tuple[S | None, list[Problem]]:
    """Read a table into a Struct; None when there are problems.

    A plugin's settings class goes through here too. Its fields may be anything msgspec converts from TOML, further
    Structs, `Secret` and `Path` included.

    Args:
        kind: The settings class.
        table: What was found.
        start: Values for the keys that are not given, instead of the defaults of `kind`.
    """
    fields = {entry.encode_name: entry for entry in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {} if start is None else msgspec.structs.asdict(start)
    problems: list[Problem] = []
    for key, (value, entry) in _by_first_key(table.entries).items():
        known = fields.get(key)
        if known is None:
            problems.append(Problem(entry.origin, f"unknown key '{table.name}.{key}'{_nearest(key, fields)}"))
            continue
        try:
            values[known.name] = _convert(value, known.type, is_text=entry.is_text)
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(Problem(entry.origin, f"{table.name}.{key}: {_lowered(str(error), known.type)}."))
    given = {path[0] for path in table.entries}
    lacking = [key for key, known in fields.items() if known.required and known.name not in values and key not in given]
    problems += [Problem(table.origin, f"{table.name} lacks the key {key!r}.") for key in lacking]
    return (None, problems) if problems else _built(kind, values, table)


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """The sentence for a name that does not exist, with the nearest one that does."""
    return f"unknown {what} {name!r}{_nearest(name, known)}"


def _built(kind: type[S], values: dict[str, Any], table: Table) -> tuple[S | None, list[Problem]]:
    """The Struct; its own `__post_init__` may still refuse values that do not fit each other."""
    try:
        return kind(**values), []
    except (ValueError, TypeError) as error:
        return None, [Problem(table.origin, f"{table.name}: {error}.")]


def _by_first_key(entries: Mapping[KeyPath, Entry]) -> dict[str, tuple[object, Entry]]:
    """The value of each key directly below the table; deeper paths are put together as tables again."""
    result: dict[str, tuple[object, Entry]] = {}
    for (key, *rest), entry in entries.items():
        if not rest:
            result.setdefault(key, (entry.value, entry))
            continue
        tree, first = result.setdefault(key, ({}, entry))
        if isinstance(tree, dict):
            _put(tree, rest, entry.value)
            result[key] = (tree, first)
    return result


def _put(tree: dict[str, Any], path: list[str], value: object) -> None:
    for key in path[:-1]:
        inner = tree.setdefault(key, {})
        tree = inner if isinstance(inner, dict) else {}
    tree[path[-1]] = value


def _convert(value: object, kind: object, *, is_text: bool) -> object:
    """The typed value; text is split or parsed when the type is a list or a table."""
    if is_text and isinstance(value, str) and _is_container(kind):
        value = _container_of(value)
    return msgspec.convert(value, kind, strict=not is_text, dec_hook=_from_text)


def _container_of(text: str) -> object:
    """A JSON array or object, or names separated by commas."""
    if text.lstrip().startswith(("[", "{")):
        return msgspec.json.decode(text)
    return [part.strip() for part in text.split(",") if part.strip()]


def _is_container(kind: object) -> bool:
    return any(
        (get_origin(member) or member) in {tuple, list, dict, set, frozenset}
        or (isinstance(member, type) and issubclass(member, msgspec.Struct))
        for member in _members(kind)
    )


def _members(kind: object) -> Iterator[object]:
    """The type itself, or the members of a union, with Annotated taken off."""
    if hasattr(kind, "__metadata__"):
        yield from _members(get_args(kind)[0])
    elif get_origin(kind) in {tuple, list, dict, set, frozenset, Literal} or not get_args(kind):
        yield kind
    else:
        for member in get_args(kind):
            yield from _members(member)


def _from_text(kind: type, value: object) -> object:
    """Build the types that msgspec does not know."""
    if kind not in _FROM_TEXT:
        raise NotImplementedError(f"settings of type {kind.__name__} cannot be read from a file")
    if not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")  # noqa: TRY004 - msgspec passes ValueError on as its own error
    return Path(value).expanduser() if kind is Path else Secret(value)


def _lowered(text: str, kind: object) -> str:
    """The text of msgspec as the end of a sentence, with the choices when a choice was wrong."""
    choices = [choice for member in _members(kind) if get_origin(member) is Literal for choice in get_args(member)]
    text = worded(text)
    text = text[:1].lower() + text[1:]
    if choices and "enum value" in text:
        return f"{text}, choose one of {', '.join(map(str, choices))}"
    return text


def _nearest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=_CLOSE_ENOUGH)
    return f"; did you mean {close[0]!r}?" if close else "."
