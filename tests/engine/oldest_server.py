"""A plugin of pytest that runs a session on PostgreSQL 15, the oldest supported server, as Debian packages it.

Usage: PYTHONPATH=tests/engine pytest -p oldest_server tests/test_queries.py. Each worker has a server of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from private_postgres import debian_programs, private_server

from crmd.testing.databases import DSN_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator

MAJOR = 15


@pytest.hookimpl(tryfirst=True)
def pytest_configure() -> None:
    """Where PostgreSQL 15 is not installed, end well, with a sentence."""
    if debian_programs(MAJOR) is None:
        pytest.exit(f"PostgreSQL {MAJOR} is not installed (apt-get install postgresql-{MAJOR}): nothing to test.", 0)


@pytest.fixture(scope="session", autouse=True)
def oldest_server() -> Iterator[None]:
    """The tests find their server by the variable that anybody may set."""
    programs = debian_programs(MAJOR)
    assert programs is not None
    with pytest.MonkeyPatch.context() as patch, private_server(programs) as server:
        patch.setenv(DSN_VARIABLE, server.dsn)
        yield
