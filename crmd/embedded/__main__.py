"""Runs one command against the embedded database: `python -m crmd.embedded STATE_DIR pg_dump -Fc -f FILE`.

The command finds the server through PostgreSQL's own variables and the wheel's programs first in its path. It uses the
daemon's server while that runs, or one of its own, so a dump can be taken and read back in either case.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import anyio

from crmd.embedded.attaching import reachable_embedded
from crmd.embedded.binaries import find_binaries
from crmd.errors import CrmdError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crmd.secret import Secret

_ARGUMENTS_MIN = 2


def client_environment(address: Secret, programs: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """The variables under which `psql`, `pg_dump` and `pg_restore` reach this address without being told more."""
    parts = urlsplit(address.reveal())
    return {
        **environ,
        "PATH": f"{programs}{os.pathsep}{environ.get('PATH', os.defpath)}",
        "PGHOST": parse_qs(parts.query)["host"][0],
        "PGUSER": parts.username or "",
        "PGPASSWORD": unquote(parts.password or ""),
        "PGDATABASE": parts.path.removeprefix("/"),
    }


async def run(state_dir: Path, command: Sequence[str]) -> int:
    """Run the command to its end; its exit code.

    Raises:
        CrmdError: the server cannot be reached, or there is no such command.
    """
    async with reachable_embedded(state_dir) as address:
        environ = client_environment(address, find_binaries().folder, os.environ)
        try:
            done = await anyio.run_process(command, stdin=None, stdout=None, stderr=None, check=False, env=environ)
        except FileNotFoundError:
            raise UsageError(f"There is no program {command[0]}.", hint="Try psql, pg_dump or pg_restore.") from None
        return done.returncode


def main(arguments: Sequence[str]) -> int:
    """Run what the arguments say; the exit code."""
    try:
        if len(arguments) < _ARGUMENTS_MIN:
            raise UsageError("A state folder and a command are needed.", hint="As in: /var/lib/crmd psql")
        return anyio.run(run, Path(arguments[0]), arguments[1:])
    except CrmdError as error:
        sys.stderr.write(f"{error}\n")
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
