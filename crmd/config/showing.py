"""What the settings are, for people: every key with its value and origin, and the reference for the documentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import msgspec

from crmd.config.settings import NAMED_SECTIONS, SECTIONS
from crmd.secret import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crmd.config.loading import Config

DEFAULT_ORIGIN = "default"
_SECRET_WORDS = ("secret", "password", "token", "key", "dsn")


@dataclass(frozen=True, slots=True)
class Shown:
    """One line of `crmd config show --origin`; secrets are masked."""

    key: str
    value: str
    origin: str


@dataclass(frozen=True, slots=True)
class SettingDoc:
    """One setting for the reference; `default` is `required` when there is none."""

    key: str
    default: str
    meaning: str


def shown(config: Config) -> list[Shown]:
    """Every setting in force, in the order of the sections, with the layer that set it."""
    return [*_shown_sections(config), *_shown_named(config), *_shown_free(config)]


def documented() -> list[SettingDoc]:
    """Every setting that crmd.toml knows, plugins' own excepted."""
    named = {f"{section}.<name>": kind for section, kind in NAMED_SECTIONS.items()}
    return [
        SettingDoc(f"{section}.{field.name}", _default_text(field), _meaning(field.type))
        for section, kind in {**SECTIONS, **named}.items()
        for field in msgspec.structs.fields(kind)
    ]


def sounds_secret(key: str) -> bool:
    """Whether a plugin's setting of that name had better not be shown; only the plugin knows its type."""
    return any(word in key.lower() for word in _SECRET_WORDS)


def _shown_sections(config: Config) -> Iterator[Shown]:
    for section in SECTIONS:
        yield from _shown_struct(config, (section,), getattr(config, section))


def _shown_named(config: Config) -> Iterator[Shown]:
    for section in NAMED_SECTIONS:
        for name, struct in sorted(getattr(config, section).items()):
            yield from _shown_struct(config, (section, name), struct)


def _shown_free(config: Config) -> Iterator[Shown]:
    """`[embedded]` and the plugins' tables, which only their plugins can read; what sounds secret is masked."""
    for path, entry in config.entries.items():
        if path[0] == "embedded" or (path[0] == "plugins" and len(path) > 2):  # noqa: PLR2004 - plugins.<name>.<key>
            yield Shown(".".join(path), MASK if sounds_secret(path[-1]) else _text(entry.value), entry.origin)


def _shown_struct(config: Config, path: tuple[str, ...], struct: msgspec.Struct) -> Iterator[Shown]:
    for field in msgspec.structs.fields(struct):
        entry = config.entries.get((*path, field.name))
        origin = entry.origin if entry else DEFAULT_ORIGIN
        value = getattr(struct, field.name)
        if value is None and (*path, field.name) == ("daemon", "state_dir"):
            value = config.state_dir
        yield Shown(".".join((*path, field.name)), _text(value), origin)


def _text(value: object) -> str:
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Path):
        value = str(value)
    return msgspec.json.encode(value, enc_hook=str).decode()


def _default_text(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    return "none" if field.default is None else _text(field.default)


def _meaning(kind: object) -> str:
    """The description nearest to the field: that of its own Annotated, not of a bound inside."""
    texts = [meta.description for meta in getattr(kind, "__metadata__", ()) if getattr(meta, "description", None)]
    return texts[-1] if texts else _meaning(get_args(kind)[0])
