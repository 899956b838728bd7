"""Fixtures for tests of plugins and of crmd itself; installed with crmd, loaded by pytest on its own.

`workbench` runs jobs on a database of the test's own. Which plugins it loads is said by the marker
`@pytest.mark.crmd_plugins("gmail", a_module, …)`, or for a whole project by the ini option `crmd_plugins`.
`@pytest.mark.crmd_settings("gmail", page_max=3)` sets a plugin's settings, and `@pytest.mark.crmd_cassette("x.json")`
answers requests from recorded traffic.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import types
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from crmd.config.loading import Config
    from crmd.testing.arena import Arena
    from crmd.testing.databases import TestServer
    from crmd.testing.workbench import Workbench


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option that names a project's plugins."""
    parser.addini("crmd_plugins", "plugins that the fixture `workbench` loads", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """The markers that say what a test's workbench is like."""
    config.addinivalue_line("markers", "crmd_plugins(*plugins): names or modules that `workbench` loads")
    config.addinivalue_line("markers", "crmd_settings(plugin, **settings): what `workbench` sets for a plugin")
    config.addinivalue_line("markers", "crmd_cassette(path): recorded traffic that answers the requests of `workbench`")


@pytest.fixture(scope="session")
def crmd_server() -> Iterator[TestServer]:
    """The PostgreSQL server of the session: that of $CRMD_TEST_DSN, or an embedded one."""
    from crmd.testing.databases import TestServer  # noqa: PLC0415 - costs nothing in sessions that don't use it

    with TestServer() as server:
        yield server


@pytest.fixture
async def crmd_dsn(crmd_server: TestServer) -> AsyncIterator[str]:
    """The address of an empty database of the test's own."""
    name = await crmd_server.create()
    yield crmd_server.dsn(name)
    await crmd_server.drop(name)


@pytest.fixture
async def crmd_arena(crmd_server: TestServer, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Arena]:
    """Makes databases for the test, migrated for its plugins: for what has to begin anew time after time."""
    from crmd.errors import UsageError  # noqa: PLC0415 - see crmd_server
    from crmd.testing.arena import Arena  # noqa: PLC0415 - see crmd_server

    try:
        arena = Arena(crmd_server, _wanted(request), tmp_path)
    except UsageError as error:
        pytest.fail(str(error))
    async with arena:
        yield arena


@pytest.fixture
async def crmd_config(crmd_arena: Arena) -> AsyncIterator[Config]:
    """A configuration whose database is the test's own, migrated for its plugins."""
    async with crmd_arena.database() as config:
        yield config


@pytest.fixture
async def workbench(crmd_arena: Arena, crmd_config: Config, request: pytest.FixtureRequest) -> AsyncIterator[Workbench]:
    """Runs jobs on a database of the test's own, with an injected clock."""
    from crmd.testing.workbench import open_workbench  # noqa: PLC0415 - see crmd_server

    async with open_workbench(crmd_config, crmd_arena.entries) as bench:
        for marker in reversed(list(request.node.iter_markers("crmd_settings"))):
            bench.configure(*marker.args, **marker.kwargs)
        with _cassette(bench, request):
            yield bench


def _wanted(request: pytest.FixtureRequest) -> list[str | types.ModuleType]:
    marker = request.node.get_closest_marker("crmd_plugins")
    return list(marker.args) if marker is not None else list(request.config.getini("crmd_plugins"))


@contextlib.contextmanager
def _cassette(bench: Workbench, request: pytest.FixtureRequest) -> Iterator[None]:
    """Answer the test's requests from the file that its marker names, beside the test."""
    from crmd.testing.cassette import read_cassette, replaying  # noqa: PLC0415 - see crmd_server

    marker = request.node.get_closest_marker("crmd_cassette")
    if marker is None:
        yield
        return
    with replaying(bench.everything, read_cassette(request.path.parent / marker.args[0])):
        yield
