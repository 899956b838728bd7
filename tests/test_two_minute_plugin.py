"""The plugins of docs/plugins.md, made from that page alone: built, installed with pip, and run by a real daemon."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crmd.testing.databases import TestServer

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[1] / "docs" / "plugins.md"
FILE = re.compile(r"^```\w+ title=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
WAIT_SECONDS = 60.0
ON_SCHEDULE = "SELECT count(*) FROM crmd.archive WHERE type = 'say-hello' AND status = 'completed' AND meta ? 'dueAt'"


@dataclass(frozen=True, slots=True)
class Bench:
    """A folder with the files of the page, and a fresh Python environment in which crmd is installed."""

    folder: Path
    python: Path

    def run(self, *words: str, dsn: str = "", within: str = ".", code: int | None = 0) -> str:
        """Run `python -m …` in the folder; answers what it wrote. `code` None: it may end as it likes."""
        done = subprocess.run(
            [self.python, "-m", *words],
            env=self.environ(dsn),
            cwd=self.folder / within,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=300,
            text=True,
        )
        assert code is None or done.returncode == code, done.stdout
        return done.stdout

    def environ(self, dsn: str) -> dict[str, str]:
        """As a user's shell would have it, with the test's database."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CRMD", "PYTHON", "PYTEST", "PIP"))
        }
        return {
            **kept,
            "CRMD__DATABASE__DSN": dsn,
            "CRMD__DAEMON__STATE_DIR": str(self.folder / "state"),
            "CRMD__API__LISTEN": "off",
            "CRMD_TEST_DSN": dsn,
        }


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Everything that the page says to write, and an environment that sees the packages of this one."""
    folder = tmp_path_factory.mktemp("two minutes")
    files = dict(FILE.findall(PAGE.read_text("utf-8")))
    assert {"crmd-hello/crmd_hello.py", "crmd-hello/pyproject.toml", "crmd.toml"} <= set(files)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    home = folder / "venv"
    venv.create(home, with_pip=False, symlinks=True)
    python = home / "bin" / "python"
    site = f"python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    seen = sysconfig.get_paths()["purelib"]
    (home / "lib" / site / "crmd-as-installed.pth").write_text(f"import site; site.addsitedir({seen!r})\n", "utf-8")
    return Bench(folder, python)


@contextlib.contextmanager
def _running_daemon(bench: Bench, dsn: str) -> Iterator[Path]:
    """A daemon in the folder, as `crmd run` starts it; gives its log, and ends it in order."""
    log = bench.folder / "daemon.log"
    with log.open("wb") as stream:
        daemon = subprocess.Popen(
            [bench.python, "-m", "crmd", "run"], env=bench.environ(dsn), cwd=bench.folder, stdout=stream, stderr=stream
        )
    try:
        yield log
        daemon.terminate()
        assert daemon.wait(WAIT_SECONDS) == 0
    finally:
        daemon.kill()
        daemon.wait(WAIT_SECONDS)


def _install(bench: Bench, name: str) -> None:
    """As `pip install ./name` does, from what is here: neither an index nor a build environment is asked for."""
    bench.run("pip", "install", "--quiet", "--no-index", "--no-build-isolation", f"./{name}")


def test_the_two_minute_plugin_runs_on_its_schedule(bench: Bench, crmd_dsn: str) -> None:
    """The first plugin of the page installs with pip, runs once by hand, and runs on schedule under a daemon."""
    _install(bench, "crmd-hello")
    assert "completed" in bench.run("crmd", "run-once", "say-hello", dsn=crmd_dsn)
    with _running_daemon(bench, crmd_dsn) as log:
        anyio.run(_until, crmd_dsn, ON_SCHEDULE, 2, log)
    text = log.read_text("utf-8")
    assert "ready; plugins: hello" in text
    assert '"hello"' in text
    assert bench.run("crmd", "jobs", "list", "--type", "say-hello", dsn=crmd_dsn).count("completed") >= 3


def test_the_larger_plugin_passes_its_own_tests(bench: Bench, crmd_server: TestServer) -> None:
    """The second plugin of the page installs with pip, and the tests that the page shows pass."""
    _install(bench, "crmd-deals")
    told = bench.run("pytest", "-q", "-p", "no:cacheprovider", "tests", dsn=crmd_server.dsn(), within="crmd-deals")
    assert "3 passed" in told


def test_the_larger_plugin_adds_its_command_and_its_check(bench: Bench, crmd_dsn: str) -> None:
    """Its command runs, its health check is asked, and its job types are listed."""
    _install(bench, "crmd-deals")
    (bench.folder / "crmd-deals" / "crmd.toml").write_text('[plugins]\nenabled = ["deals"]\n', "utf-8")
    told = bench.run("crmd", "deals-import", "0198c0de", dsn=crmd_dsn, within="crmd-deals")
    assert told == '{"connectionId": "0198c0de"}\n'
    assert "find-stale-deals" in bench.run("crmd", "plugins", dsn=crmd_dsn, within="crmd-deals")
    bench.run("crmd", "migrate", dsn=crmd_dsn, within="crmd-deals")
    found = bench.run("crmd", "doctor", "--json", dsn=crmd_dsn, within="crmd-deals", code=None)
    assert "number of deals" in found


def test_the_files_of_the_page_are_whole(bench: Bench) -> None:
    """Each plugin of the page names a module of its own as its entry point, and asks for crmd alone."""
    for name in ("crmd-hello", "crmd-deals"):
        project = tomllib.loads((bench.folder / name / "pyproject.toml").read_text("utf-8"))["project"]
        assert project["dependencies"] == ["crmd"]
        [module] = project["entry-points"]["crmd.plugins"].values()
        assert any((bench.folder / name / place).exists() for place in (f"{module}.py", f"{module}/__init__.py"))


async def _until(dsn: str, query: str, wanted: int, log: Path) -> None:
    connection = await asyncpg.connect(dsn)
    deadline = time.monotonic() + WAIT_SECONDS
    answer = await connection.fetchval(query)
    while answer < wanted and time.monotonic() < deadline:
        await anyio.sleep(0.1)
        answer = await connection.fetchval(query)
    await connection.close()
    assert answer >= wanted, log.read_text("utf-8")[-4000:]
