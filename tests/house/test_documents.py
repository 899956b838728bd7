from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
MAKE = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)
LINK = re.compile(r"\]\(([^)#\s]+)")
PINNED = re.compile(r"[a-z0-9._-]+==[^\s;]+(?: ; .*)? \\")
PIN = re.compile(r"^([a-z0-9._-]+)==(\S+)", re.MULTILINE)
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_only_make_targets_that_exist(root: Path, name: str) -> None:
    """Each `make …` that a document tells people to type is in the Makefile."""
    targets = set(TARGET.findall((root / "Makefile").read_text("utf-8")))
    assert set(MAKE.findall((root / name).read_text("utf-8"))) <= targets


def test_links_between_documents_lead_somewhere(texts: dict[Path, str]) -> None:
    """Each relative link in a document names a file that is there."""
    broken = [
        f"{path}: {target}"
        for path, text in texts.items()
        if path.suffix == ".md"
        for target in LINK.findall(text)
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]
    assert broken == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_locks_hold_pins_and_hashes_only(root: Path, name: str) -> None:
    """A lock names no host and no path; each requirement is pinned and carries hashes."""
    lines = (root / name).read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith(" ")]
    assert pins
    assert [line for line in lines if "://" in line] == []
    assert [line for line in pins if not PINNED.fullmatch(line)] == []
    assert all(line.lstrip().startswith("--hash=sha256:") for line in lines if line.startswith(" "))


def test_the_development_lock_agrees_with_the_other(root: Path) -> None:
    """What both locks pin, they pin alike: tests run against what is installed."""
    runtime, development = (
        dict(PIN.findall((root / name).read_text("utf-8"))) for name in ("requirements.lock", "requirements-dev.lock")
    )
    assert runtime
    assert {name: version for name, version in runtime.items() if development.get(name) != version} == {}


def test_every_distribution_has_one_version(root: Path) -> None:
    """All distributions here are released together: one version, and plugins ask for exactly it."""
    projects = [tomllib.loads(path.read_text("utf-8"))["project"] for path in root.glob("plugins/*/pyproject.toml")]
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    assert {project["name"]: project["version"] for project in projects if project["version"] != version} == {}
    assert [p["name"] for p in projects if f"crmd=={version}" not in p["dependencies"]] == []
