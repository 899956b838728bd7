"""Runs the command in this process or in one of its own, with the trial plugin, on a database of the test's own."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
import pytest
from anyio.from_thread import start_blocking_portal

from crmd.cli import main
from crmd.testing.sandbox.gmail import GmailSandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from crmd.config.loading import Config

PLUGIN = Path(__file__).parent / "plugin"
KEY = "A" * 43 + "="
PROCESS_SECONDS = 120


@dataclass(frozen=True)
class Answer:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:  # noqa: ANN401 - JSON of any shape
        """Standard output, read."""
        return msgspec.json.decode(self.out)


class Run(Protocol):
    """Runs `crmd` with these words."""

    def __call__(self, *words: str) -> Answer:
        """Run it."""


@pytest.fixture
def environment(crmd_config: Config, tmp_path: Path) -> dict[str, str]:
    """Variables for a command: the test's database, the trial plugin, and nothing of this machine."""
    assert crmd_config.database.dsn is not None
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PYTHONPATH": str(PLUGIN),
        "CRMD__DATABASE__DSN": crmd_config.database.dsn.reveal(),
        "CRMD__DAEMON__STATE_DIR": str(tmp_path / "state"),
        "CRMD__PLUGINS__ENABLED": "trial",
        "CRMD__API__LISTEN": "off",
        "CRMD_MASTER_KEY": KEY,
        "COLUMNS": "200",
    }


@pytest.fixture
def crmd(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Iterator[Run]:
    """The command in this process."""
    for name in [name for name in os.environ if name.startswith(("CRMD", "XDG", "NO_COLOR", "FORCE_COLOR"))]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.syspath_prepend(str(PLUGIN))
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Answer:
        code = main(words)
        captured = capsys.readouterr()
        return Answer(int(code), captured.out, captured.err)

    yield run
    logging.captureWarnings(capture=False)
    root = logging.getLogger()
    for handler in [handler for handler in root.handlers if handler.name == "crmd"]:
        root.removeHandler(handler)


@pytest.fixture
def crmd_process(environment: dict[str, str], tmp_path: Path) -> Run:
    """The command in a process of its own."""

    def run(*words: str) -> Answer:
        done = subprocess.run(
            [sys.executable, "-m", "crmd", *words],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            timeout=PROCESS_SECONDS,
            check=False,
        )
        return Answer(done.returncode, done.stdout.decode(), done.stderr.decode())

    return run


@pytest.fixture
def sandbox() -> Iterator[GmailSandbox]:
    """A provider that serves from a thread of its own, since a command runs an event loop of its own."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(GmailSandbox.running()) as running:
        yield running
