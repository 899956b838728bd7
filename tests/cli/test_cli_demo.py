from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from story import Material, Visit, visited

from crmd.testing.demo_mailbox import answer_key, messages

if TYPE_CHECKING:
    from collections.abc import Iterator

    from browser import Browser

pytestmark = pytest.mark.slow
INTERRUPTED = 130
DEMO_SECONDS = 180
# Each visit finds something of its own to act upon: width, darkness, and what.
LOOKS = {
    "light": (1280, False, Material("deals-march.csv", "cannot be found", 4, "slow")),
    "dark": (1280, True, Material("deals-april.csv", "mailbox is full", 3, "fast")),
    "phone": (390, False, Material("deals-may.csv", "not welcome", 2, "normal")),
}


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The demo, in a process of its own whose temporary folders are below the test's."""
    tmp_path.chmod(0o755)
    with started(tmp_path) as process:
        yield process


@contextlib.contextmanager
def started(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The demo as a user starts it, while the block runs."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "TMPDIR": _short_folder(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "crmd", "demo", "--json", "--stay", "--seconds", "120"],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    yield process
    process.kill()
    process.stdout.close()
    process.stderr.close()
    shutil.rmtree(_short_folder(tmp_path))


def _short_folder(tmp_path: Path) -> str:
    """A socket's path is short, and a test's folder is not: a name of its own in the usual place."""
    folder = Path("/tmp") / f"crmd-{os.getpid()}-{tmp_path.name[-8:]}"  # noqa: S108 - made and used by this test alone
    folder.mkdir(mode=0o755, exist_ok=True)
    return str(folder)


def _until(process: subprocess.Popen[bytes], word: bytes) -> bytes:
    """What it says until this word comes."""
    assert process.stderr is not None
    seen = b""
    while word not in seen:
        line = process.stderr.readline()
        assert line, seen
        seen += line
    return seen


def left_behind(process: subprocess.Popen[bytes], tmp_path: Path) -> tuple[list[str], list[Path]]:
    """Processes and folders of the demo that outlived it."""
    folder = _short_folder(tmp_path)
    assert process.poll() is not None
    processes = [
        entry.name
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and folder.encode() in _command_line(entry)
    ]
    return processes, list(Path(folder).iterdir())


def _command_line(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:  # it has ended meanwhile
        return b""


@dataclass(frozen=True)
class Staying:
    """A demo that has come to its end and stays: its process, and what it has told."""

    process: subprocess.Popen[bytes]
    folder: Path
    told: str

    def found(self, name: str) -> str:
        """What stands behind these words."""
        found = re.search(rf"{name}: +(\S+)", self.told)
        assert found is not None, self.told
        return found[1]


@pytest.fixture(scope="module")
def staying(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staying]:
    """One demo for all tests that look at it; the last of them ends it."""
    folder = tmp_path_factory.mktemp("staying")
    folder.chmod(0o755)
    with started(folder) as process:
        yield Staying(process, folder, _until(process, b"Ctrl-C").decode())


@pytest.mark.parametrize("look", LOOKS)
async def test_a_visit(staying: Staying, browser: Browser, axe: str, look: str) -> None:
    """Log in; watch 92 contacts in a toast over a reload; retry, cancel, redrive, pause: calm, without a barrier."""
    width, is_dark, material = LOOKS[look]
    page = await browser.page(staying.found("dashboard"), width=width, height=844, is_dark=is_dark)
    visit = Visit(page, staying.found("dashboard").rstrip("/"), staying.found("key of both"), axe, width)
    await visited(visit, staying.found("with toasts"), material)


def test_the_demo_syncs_the_whole_mailbox(staying: Staying) -> None:
    """Every message arrives although the provider throttles, fails and breaks off; people and bounces are found.

    What it tells opens the API, and the dashboard; Ctrl-C ends it without a trace.
    """
    demo = staying.process
    [workspace] = parse_qs(urlsplit(staying.found("with toasts")).fragment)["workspaceId"]
    request = urllib.request.Request(  # noqa: S310 - the demo's own address
        f"{staying.found('dashboard')}api/workspaces/{workspace}/jobs?type=enrich-contacts",
        headers={"Authorization": f"Bearer {staying.found('key of both')}"},
    )
    with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - the same
        jobs = msgspec.json.decode(response.read())["jobs"]
    assert jobs[-1]["payload"]["count"] == 92
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=DEMO_SECONDS)
    assert demo.returncode == 0, err
    summary = msgspec.json.decode(out)
    assert summary["is_over"]
    assert summary["crm"]["messages"] == len(messages())
    assert summary["jobs"]["failed"] == 0
    assert all(count >= 1 for count in summary["troubles"].values())
    assert summary["crm"]["bounces"] >= len([bounce for bounce in answer_key().bounces if bounce.is_hard]) - 1
    names = {person.name for person in answer_key().people}
    assert summary["people"]
    assert {person["full_name"] for person in summary["people"]} <= names
    assert left_behind(demo, staying.folder) == ([], [])


def test_ctrl_c_leaves_nothing_behind(demo: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Ctrl-C in the middle of the sync ends the demo quietly with 130: no process, no folder, no traceback."""
    _until(demo, b"Connected")
    demo.send_signal(signal.SIGINT)
    out, err = demo.communicate(timeout=DEMO_SECONDS)
    assert demo.returncode == INTERRUPTED, err
    assert out == b""
    assert b"Traceback" not in err
    assert left_behind(demo, tmp_path) == ([], [])
