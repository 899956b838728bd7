from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import tomllib
from typing import TYPE_CHECKING
from uuid import uuid4

import documented_jobs
import msgspec
import pytest
from api_server import api_over
from api_tables import PAGE, tables

from crmd.api.job_view import Job
from crmd.api.problem import TITLES
from crmd.cli.grammar import build_parser
from crmd.config.api_settings import Api

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.testing import Workbench

EXAMPLE = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SETTINGS = re.compile(r"^```toml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^crmd (.+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def page() -> str:
    """docs/api.md."""
    return PAGE.read_text("utf-8")


def test_every_route_is_told(page: str) -> None:
    """The tables have each route with its scope and summary; `python tests/engine/api_tables.py` writes them."""
    assert tables(page) == page


def test_every_problem_is_told(page: str) -> None:
    """Each kind of problem has its row, and there is no other."""
    assert set(re.findall(r"urn:crmd:problem:([a-z-]+)` \|", page)) == set(TITLES)


def test_every_field_of_a_job_is_told(page: str) -> None:
    """The table of a job's fields has all of them."""
    table = page[page.index("A job as it is answered:") : page.index("JOB=$(")]
    assert {field.encode_name for field in msgspec.structs.fields(Job)} <= set(re.findall(r"`([A-Za-z]+)`", table))


def test_the_limits_are_those_that_hold(page: str) -> None:
    """What stands as the most is the setting's default."""
    limits, table = Api(), page[page.index("| what | most | |") :]
    for what, most in (
        ("requests", f"{limits.requests_per_minute} a minute"),
        ("unfinished jobs", f"{limits.jobs_running_max}"),
        ("jobs of a user", f"{limits.jobs_per_hour_max} an hour"),
        ("ids in one list", f"{limits.ids_max:,}"),
    ):
        assert f"| {what} | {most} |" in table


def test_settings_of_the_page_are_settings(page: str) -> None:
    """Each sample of `[api]` is one that the daemon takes, and each command one that is there."""
    samples = SETTINGS.findall(page)
    assert len(samples) == 2
    for sample in samples:
        msgspec.convert(tomllib.loads(sample)["api"], Api)
    for command in COMMAND.findall(page):
        build_parser().parse_args(shlex.split(command))


@pytest.mark.crmd_plugins(documented_jobs)
@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
async def test_the_examples_run(workbench: Workbench, page: str, tmp_path: Path) -> None:
    """What the page shows with curl works as it stands, one example after the other."""
    script = tmp_path / "examples.sh"
    script.write_text("set -euo pipefail\n" + "\necho\n".join(EXAMPLE.findall(page)), "utf-8")
    workspace_id = uuid4()
    async with api_over(workbench) as api:
        key = await api.new_key("read", "enqueue", "manage", workspace_id=workspace_id)
        given = {"CRMD_API": api.address, "CRMD_KEY": key, "WORKSPACE": str(workspace_id)}
        process = await asyncio.create_subprocess_exec(
            "bash",
            str(script),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=os.environ | given,
        )
        said = (await process.communicate())[0].decode()
        assert process.returncode == 0, said
        assert "urn:crmd:problem" not in said, said
        assert said.count('"success":true') >= 5
        assert '"would_fire"' in said
        ran = await workbench.drain()
        assert sorted(one.result for one in ran) == [1, 2]
