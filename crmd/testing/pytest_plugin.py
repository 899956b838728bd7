"""Fixtures for tests of plugins and of crmd itself; installed with crmd, loaded by pytest on its own.

`workbench` runs jobs on a database of the test's own. Which plugins it loads is said by the marker
`@pytest.mark.crmd_plugins("gmail", a_module, …)`, or for a whole project by the ini option `crmd_plugins`.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from crmd.config.loading import Config
    from crmd.plugins import Entry
    from crmd.testing.databases import TestServer
    from crmd.testing.workbench import Workbench

MASTER_KEY = "A" * 43 + "="


def pytest_addoption(parser: pytest.Parser) -> None:
    """The ini option that names a project's plugins."""
    parser.addini("crmd_plugins", "plugins that the fixture `workbench` loads", type="args", default=[])


def pytest_configure(config: pytest.Config) -> None:
    """The marker that names a test's plugins."""
    config.addinivalue_line("markers", "crmd_plugins(*plugins): names or modules that `workbench` loads")


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
async def crmd_config(crmd_server: TestServer, request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Config]:
    """A configuration whose database is the test's own, migrated for its plugins."""
    from crmd.composition import opened  # noqa: PLC0415 - see crmd_server

    wanted = _wanted(request)
    entries = _entries(wanted)
    key = " ".join(sorted(entries))
    template = crmd_server.template(key)
    if template is None:
        template = await crmd_server.create()
        async with opened(_config(crmd_server.dsn(template), tuple(entries), tmp_path), entries=entries):
            pass
        crmd_server.keep_template(key, template)
    name = await crmd_server.create(template)
    yield _config(crmd_server.dsn(name), tuple(entries), tmp_path)
    await crmd_server.drop(name)


@pytest.fixture
async def workbench(crmd_config: Config, request: pytest.FixtureRequest) -> AsyncIterator[Workbench]:
    """Runs jobs on a database of the test's own, with an injected clock."""
    from crmd.testing.workbench import open_workbench  # noqa: PLC0415 - see crmd_server

    async with open_workbench(crmd_config, _entries(_wanted(request))) as bench:
        yield bench


def _wanted(request: pytest.FixtureRequest) -> list[str | types.ModuleType]:
    marker = request.node.get_closest_marker("crmd_plugins")
    return list(marker.args) if marker is not None else list(request.config.getini("crmd_plugins"))


def _entries(wanted: list[str | types.ModuleType]) -> dict[str, Entry]:
    from crmd.plugins import ModuleEntry, installed  # noqa: PLC0415 - see crmd_server

    known = installed()
    entries: dict[str, Entry] = {}
    for plugin in wanted:
        if isinstance(plugin, types.ModuleType):
            name = plugin.__name__.rpartition(".")[2].removeprefix("crmd_")
            entries[name] = ModuleEntry(name, plugin)
        elif plugin in known:
            entries[plugin] = known[plugin]
        else:
            pytest.fail(f"the plugin {plugin!r} is not installed here")
    return entries


def _config(dsn: str, enabled: tuple[str, ...], state_dir: Path) -> Config:
    from crmd.config.loading import Config  # noqa: PLC0415 - see crmd_server
    from crmd.config.settings import Database, Plugins, Vault  # noqa: PLC0415 - see crmd_server
    from crmd.secret import Secret  # noqa: PLC0415 - see crmd_server

    return Config(
        state_dir=state_dir,
        database=Database(dsn=Secret(dsn)),
        plugins=Plugins(enabled=enabled),
        vault=Vault(master_key=Secret(MASTER_KEY)),
    )
