"""The folders and files that systemd, XDG or the operator give to a daemon."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from crmd.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

FILE_NAME = "crmd.toml"
ENV_CONFIG = "CRMD_CONFIG"
SYSTEM_FILE = Path("/etc/crmd") / FILE_NAME
SYSTEM_STATE = Path("/var/lib/crmd")


def find_config_file(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The config file to read; None when there is none, which is fine.

    Args:
        path: As given by a flag; it must exist.
        environ: `$CRMD_CONFIG` must exist too when set; the usual places need not.

    Raises:
        ConfigError: the named file is not there.
    """
    named = path or (Path(environ[ENV_CONFIG]) if environ.get(ENV_CONFIG) else None)
    if named is None:
        return next((place for place in usual_places(environ) if place.is_file()), None)
    if not named.is_file():
        raise ConfigError(f"The config file {named} is not there.", hint="Name another one, or write it: crmd init.")
    return named


def usual_places(environ: Mapping[str, str]) -> Iterator[Path]:
    """Where a config file is looked for, first found wins."""
    yield Path(FILE_NAME)
    if environ.get("CONFIGURATION_DIRECTORY"):
        yield Path(_first(environ["CONFIGURATION_DIRECTORY"])) / FILE_NAME
    yield _xdg(environ, "XDG_CONFIG_HOME", ".config") / "crmd" / FILE_NAME
    yield SYSTEM_FILE


def state_dir(configured: Path | None, environ: Mapping[str, str], *, is_root: bool) -> Path:
    """`daemon.state_dir`, else `$STATE_DIRECTORY`, else the XDG state folder; always absolute.

    Root's own home is closed to the account that the embedded server runs under, so root gets the system's folder.
    """
    if configured is not None:
        return configured.absolute()
    if environ.get("STATE_DIRECTORY"):
        return Path(_first(environ["STATE_DIRECTORY"])).absolute()
    if is_root and not environ.get("XDG_STATE_HOME"):
        return SYSTEM_STATE
    return (_xdg(environ, "XDG_STATE_HOME", ".local/state") / "crmd").absolute()


def runtime_dir(environ: Mapping[str, str]) -> Path | None:
    """`$RUNTIME_DIRECTORY`, else a folder in the user's own XDG runtime folder, else None."""
    if environ.get("RUNTIME_DIRECTORY"):
        return Path(_first(environ["RUNTIME_DIRECTORY"]))
    if environ.get("XDG_RUNTIME_DIR"):
        return Path(environ["XDG_RUNTIME_DIR"]) / "crmd"
    return None


def _first(folders: str) -> str:
    """The first of several folders, which systemd separates with colons."""
    return folders.split(":", 1)[0]


def _xdg(environ: Mapping[str, str], name: str, below_home: str) -> Path:
    """An XDG folder; relative values are to be ignored, says the XDG specification."""
    value = environ.get(name, "")
    if value.startswith("/"):
        return Path(value)
    return Path(environ.get("HOME") or Path.home()) / below_home
