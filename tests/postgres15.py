"""Runs a command with $CRMD_TEST_DSN set to a private PostgreSQL 15, the oldest supported, as Debian packages it.

Usage: PYTHONPATH=tests/engine python tests/postgres15.py pytest tests/test_queries.py
"""

from __future__ import annotations

import os
import subprocess
import sys

from private_postgres import debian_programs, private_server

MAJOR = 15


def main(command: list[str]) -> int:
    """Run it; answers its exit code, and 0 with a sentence where PostgreSQL 15 is not installed."""
    programs = debian_programs(MAJOR)
    if programs is None:
        print(f"PostgreSQL {MAJOR} is not installed (apt-get install postgresql-{MAJOR}): its tests are skipped.")  # noqa: T201 - a command's answer
        return 0
    with private_server(programs) as server:
        return subprocess.run(command, env={**os.environ, "CRMD_TEST_DSN": server.dsn}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
