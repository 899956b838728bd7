"""Which plugin is meant: an installed one by its name or its package, or a folder that is not installed."""

from __future__ import annotations

import importlib
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.errors import UsageError
from crmd.plugins import GROUP, ModuleEntry, installed, requires_of
from crmd.testing.conformance import fake_provider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.plugins import Entry

PROJECT = "pyproject.toml"


def entry_named(word: str) -> Entry:
    """The plugin that a word means.

    Raises:
        UsageError: None is found.
    """
    path = Path(word)
    if path.is_dir():
        return _in_folder(path.resolve())
    for name, entry in installed().items():
        dist = "" if entry.dist is None else entry.dist.name
        if word in {name, entry.module, dist}:
            return entry
    raise UsageError(
        f"There is no plugin {word!r} here.", hint="Give the name of an installed one, or the folder of its project."
    )


def with_required(entry: Entry) -> dict[str, Entry]:
    """The plugin, and all that it requires and that is installed."""
    known: Mapping[str, Entry] = installed()
    found = {entry.name: entry, fake_provider.NAME: ModuleEntry(fake_provider.NAME, fake_provider)}
    waiting = list(requires_of(entry))
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found[name] = known[name]
            waiting += requires_of(known[name])
    return found


def _in_folder(folder: Path) -> Entry:
    """From the project file, whose folder is put on the path, as `pip install --editable` would."""
    file = folder / PROJECT
    if not file.is_file():
        raise UsageError(f"{folder} has no {PROJECT}.", hint="Give the folder of a plugin's project.")
    try:
        project = tomllib.loads(file.read_text("utf-8"))
        [(name, value), *_] = project["project"]["entry-points"][GROUP].items()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise UsageError(
            f"{file} names no plugin.", hint=f'It takes a table [project.entry-points."{GROUP}"].'
        ) from error
    root = folder / "src" if (folder / "src").is_dir() else folder
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
        importlib.invalidate_caches()
    return EntryPoint(name, value, GROUP)
