from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

STATIC = Path(__file__).parents[2] / "crmd" / "web" / "static"
MODULE = (STATIC / "crmd-jobs.js").read_text("utf-8")
PAGE = (Path(__file__).parents[2] / "docs" / "frontend.md").read_text("utf-8")
TYPES = (STATIC / "crmd-jobs.d.ts").read_text("utf-8")


def test_the_parts_without_a_browser() -> None:
    """Streams in any pieces, what is shown of a job, lost answers and refusals: what Node can check of the module."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: apt-get install nodejs")
    command = [node, "--test", str(Path(__file__).with_name("crmd_jobs.test.mjs"))]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert told.returncode == 0, told.stdout[-4000:] + told.stderr[-1000:]
    assert "# fail 0" in told.stdout or "fail 0" in told.stdout


def test_it_is_small_and_alone() -> None:
    """The module stays under 20 kB, imports nothing and evaluates no text."""
    assert len(MODULE.encode()) < 20_000
    assert re.findall(r"^\s*import\b|\bimport\(|\beval\(|new Function|innerHTML|https?://", MODULE, re.MULTILINE) == []


def test_everything_is_typed() -> None:
    """Whatever the module exports and JobStatus offers is in the type declarations, and nothing else is."""
    exported = r"^export (?:class|const|function) (\w+)"
    assert set(re.findall(exported, MODULE, re.MULTILINE)) == set(re.findall(exported, TYPES, re.MULTILINE))
    told = re.search(r"export class JobStatus .*?^}", TYPES, re.MULTILINE | re.DOTALL)
    done = re.search(r"export class JobStatus .*?^}", MODULE, re.MULTILINE | re.DOTALL)
    assert told is not None
    assert done is not None
    typed = set(re.findall(r"^  (?:readonly |get )?(\w+)[(:]", told[0], re.MULTILINE))
    built = set(re.findall(r"^\t(?:async |get )?(\w+)(?:\(| = )", done[0], re.MULTILINE))
    assert typed == built


def test_the_documented_looks_are_those_there_are() -> None:
    """Each property and each part that docs/frontend.md names can be styled, and each property is named there."""
    assert set(re.findall(r"--crmd-\w+", PAGE)) == set(re.findall(r"--crmd-\w+", MODULE))
    listed = re.search(r"^Parts: (.*?)\. Words", PAGE, re.MULTILINE | re.DOTALL)
    assert listed is not None
    for part in re.findall(r"`([\w-]+)`", listed[1]):
        assert re.search(rf"""["\s{{(]{part}["\s]*[:"]""", MODULE), part
