"""The places a setting can come from, each read into the same flat entries.

Order, strongest first: flags, environment, systemd credentials, crmd.toml; defaults fill the rest.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.config.lines import key_lines, line_of
from crmd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KeyPath = tuple[str, ...]
ENV_PREFIX = "CRMD__"
ENV_FILE_SUFFIX = "_FILE"
ENV_MASTER_KEY = "CRMD_MASTER_KEY"
CREDENTIAL_PREFIX = "crmd."
CREDENTIAL_MASTER_KEY = "crmd-master-key"
MASTER_KEY_PATH: KeyPath = ("vault", "master_key")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value and where it was found.

    Args:
        value: As found, not printed since it may be a secret.
        origin: For people: `crmd.toml:12`, `$CRMD__LOG__LEVEL`, `credential …`, `flag`.
        is_text: The place holds nothing but text, so `"5"` still has to be read as 5 where a number belongs.
    """

    value: object = field(repr=False)
    origin: str
    is_text: bool = False


Layer = dict[KeyPath, Entry]


def merged(strongest_first: list[Layer]) -> Layer:
    """One entry per key, from the strongest layer that has it."""
    result: Layer = {}
    for layer in strongest_first:
        for path, entry in layer.items():
            result.setdefault(path, entry)
    return result


def flag_layer(overrides: Mapping[str, object]) -> Layer:
    """Command-line flags by dotted key (`log.level`); None means not given."""
    return {
        tuple(key.split(".")): Entry(value, "flag", is_text=isinstance(value, str))
        for key, value in overrides.items()
        if value is not None
    }


def environment_layer(environ: Mapping[str, str]) -> Layer:
    """`CRMD__SECTION__KEY=value`, or `CRMD__SECTION__KEY_FILE=path` of a file that holds the value.

    Raises:
        ConfigError: a named file cannot be read.
    """
    layer: Layer = {}
    if ENV_MASTER_KEY in environ:
        layer[MASTER_KEY_PATH] = Entry(environ[ENV_MASTER_KEY], f"${ENV_MASTER_KEY}", is_text=True)
    for name, value in sorted(environ.items()):
        if not name.startswith(ENV_PREFIX):
            continue
        text = value
        if name.endswith(ENV_FILE_SUFFIX):
            text = _text_of(Path(value), f"${name}")
        layer[_environment_path(name)] = Entry(text, f"${name}", is_text=True)
    return layer


def credential_layer(environ: Mapping[str, str]) -> Layer:
    """Files `crmd.section.key` in systemd's `$CREDENTIALS_DIRECTORY`, and `crmd-master-key`.

    Raises:
        ConfigError: a credential cannot be read.
    """
    folder = environ.get("CREDENTIALS_DIRECTORY", "")
    if not folder or not Path(folder).is_dir():
        return {}
    layer: Layer = {}
    for file in sorted(Path(folder).iterdir()):
        if file.name == CREDENTIAL_MASTER_KEY:
            path = MASTER_KEY_PATH
        elif file.name.startswith(CREDENTIAL_PREFIX):
            path = tuple(file.name.removeprefix(CREDENTIAL_PREFIX).split("."))
        else:
            continue
        origin = f"credential {file.name}"
        layer[path] = Entry(_text_of(file, origin), origin, is_text=True)
    return layer


def file_layer(file: Path) -> Layer:
    """The leaves of a TOML file, each with `file:line`.

    Raises:
        ConfigError: the file cannot be read or is not TOML.
    """
    text = _text_of(file, "The config file")
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not valid TOML: {error}.", hint="Mend that line and try again.") from None
    lines = key_lines(text)
    layer: Layer = {}
    for path, value in _leaves((), tree):
        line = line_of(lines, path)
        layer[path] = Entry(value, f"{file}:{line}" if line else str(file))
    return layer


def _leaves(path: KeyPath, tree: dict[str, object]) -> Iterator[tuple[KeyPath, object]]:
    """Every value that is not a table; an empty table counts as a value, since it declares a name."""
    for key, value in tree.items():
        if isinstance(value, dict) and value:
            yield from _leaves((*path, key), value)
        else:
            yield (*path, key), value


def _environment_path(name: str) -> KeyPath:
    """`CRMD__JOBS__SYNC_GMAIL__QUEUE` is `jobs.sync-gmail.queue`: job types are written with hyphens."""
    section, *rest = name.removeprefix(ENV_PREFIX).removesuffix(ENV_FILE_SUFFIX).lower().split("__")
    if section == "jobs" and rest:
        rest[0] = rest[0].replace("_", "-")
    return (section, *rest)


def _text_of(file: Path, what: str) -> str:
    try:
        return file.read_text(encoding="utf-8").rstrip("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"{what} {file} cannot be read: {reason}.", hint="Check the path and its rights.") from None
