from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from crmd.cli.screen import clean

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

HEAVY = {"asyncpg", "aiohttp", "rich", "cryptography", "anyio", "croniter"}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run-once"], ["jobs", "--help"]])
def test_help_and_usage_errors_import_nothing_heavy(words: list[str]) -> None:
    """What answers before any work is done loads neither the database's driver nor the HTTP stack nor rich."""
    code = (
        "import sys; from crmd.cli import main; main(sys.argv[1:]);"
        "print(' '.join(sorted(name for name in sys.modules if '.' not in name)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, check=True)
    assert HEAVY & set(done.stderr.decode().splitlines()[-1].split()) == set()


@pytest.mark.parametrize("command", ["demo", "run-once", "doctor", "migrate"])
def test_long_commands_say_something_before_they_begin(command: str) -> None:
    """A command that takes its time says what it is about before its own module is even imported."""
    code = (
        "import sys, crmd.cli; crmd.cli.import_module = lambda name: sys.exit(name);"
        "crmd.cli.main([sys.argv[1]] + ['trial-greet'] * (sys.argv[1] == 'run-once'))"
    )
    done = subprocess.run([sys.executable, "-c", code, command], capture_output=True, check=False)
    assert len(done.stderr.decode().splitlines()) == 1


def test_a_pipe_gets_tab_separated_lines(crmd: Run) -> None:
    """Without a terminal a table is a line of headings and a line per row, with tabs between."""
    crmd("enqueue", "trial-greet")
    heading, row = crmd("jobs").out.splitlines()
    assert heading.split("\t")[:3] == ["id", "status", "type"]
    assert row.split("\t")[1:3] == ["pending", "trial-greet"]


def test_a_terminal_gets_colours_only_if_it_wants_them(crmd: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """FORCE_COLOR stands for a terminal; NO_COLOR and TERM=dumb take the colours away."""
    crmd("run-once", "trial-greet")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[" in crmd("jobs").out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in crmd("jobs").out
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\x1b[" not in crmd("jobs").out


def test_flags_stand_before_or_after_the_command(crmd: Run) -> None:
    """The flags of every command mean the same in both places, and `list` goes without saying."""
    crmd("enqueue", "trial-greet")
    before, after = crmd("--json", "jobs").json, crmd("jobs", "list", "--json").json
    assert before == after
    assert len(before) == 1
    assert crmd("jobs", "--status", "dead", "--json").json == []


def test_text_of_strangers_cannot_steer_the_terminal() -> None:
    """Escape sequences, line breaks and bidirectional overrides of somebody's mail are blanks on the screen."""
    assert clean("a\x1b]0;x\x07b\nc\u202ed") == "a ]0;x b c d"
    assert len(clean("x" * 10_000_000)) <= 4000


def test_a_reader_that_goes_away_is_no_fault(crmd_process: Run, environment: dict[str, str], tmp_path: Path) -> None:
    """`crmd … | head` ends quietly when head has read enough."""
    assert crmd_process("--version").code == 0
    shell = f"{sys.executable} -m crmd plugins --json | head -c 1 >/dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["/bin/bash", "-c", shell], env=environment, cwd=tmp_path, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
