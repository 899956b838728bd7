"""What tests in a real browser share: one chromium for all of them, and axe-core where npm can get it."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import Browser, browsing, running_chromium

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

AXE = "axe-core@4.10.3"
CACHE = Path(__file__).parents[2] / ".venv" / "browser-tests"


@pytest.fixture(scope="session")
def chromium() -> Iterator[str]:
    """The address of the session's chromium."""
    with running_chromium() as address:
        yield address


@pytest.fixture
async def browser(chromium: str) -> AsyncIterator[Browser]:
    """A browser of the test's own: no storage in common with other tests."""
    async with browsing(chromium) as own:
        yield own


@pytest.fixture(scope="session")
def axe() -> str:
    """The source of axe-core, fetched by npm once and kept beside the tools; skips where it cannot be had."""
    file = CACHE / f"{AXE}.js"
    if not file.exists():
        npm = shutil.which("npm")
        if npm is None:
            pytest.skip("npm is not installed, and axe-core comes from there")
        CACHE.mkdir(parents=True, exist_ok=True)
        command = [npm, "pack", AXE, "--silent", "--pack-destination", str(CACHE)]
        told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if told.returncode != 0:
            pytest.skip(f"npm cannot get {AXE}: {told.stderr.strip()[-200:]}")
        with tarfile.open(CACHE / told.stdout.split()[-1]) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            file.write_bytes(member.read())
    return file.read_text("utf-8")
