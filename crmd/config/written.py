"""The settings in force as a crmd.toml to be kept, whatever layer they come from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import tomli_w

from crmd.config.settings import NAMED_SECTIONS, SECTIONS
from crmd.config.showing import sounds_secret
from crmd.secret import Secret

if TYPE_CHECKING:
    from crmd.config.loading import Config

PLUGIN_DEPTH = 3
"""`plugins.<name>.<key>`: below it stand the settings of one plugin."""


def as_toml(config: Config) -> str:
    """The document. Secrets are left out, since a file that is passed around is no place for them."""
    document: dict[str, Any] = {section: _table(getattr(config, section)) for section in SECTIONS}
    for section in NAMED_SECTIONS:
        document[section] = {name: _table(struct) for name, struct in getattr(config, section).items()}
    document["embedded"] = dict(config.embedded)
    for path, entry in config.entries.items():
        if path[0] == "plugins" and len(path) >= PLUGIN_DEPTH and not sounds_secret(path[-1]):
            _put(document, path, entry.value)
    return tomli_w.dumps({section: table for section, table in document.items() if table})


def _table(struct: msgspec.Struct) -> dict[str, Any]:
    values = {field.encode_name: getattr(struct, field.name) for field in msgspec.structs.fields(struct)}
    return {name: _plain(value) for name, value in values.items() if not (value is None or isinstance(value, Secret))}


def _plain(value: object) -> Any:  # noqa: ANN401 - any TOML value
    if isinstance(value, msgspec.Struct):
        return _table(value)
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def _put(document: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    for key in path[:-1]:
        document = document.setdefault(key, {})
    document[path[-1]] = value
