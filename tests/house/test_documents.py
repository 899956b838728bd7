from __future__ import annotations

import contextlib
import re
import tomllib
from typing import TYPE_CHECKING

import pytest

from crmd.cli.grammar import build_parser, commands_of
from crmd.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
MAKE = re.compile(r"(?:^|`)make ([a-z-]+)", re.MULTILINE)
BLOCK = re.compile(r"^```(?:sh|console)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
CRMD = re.compile(r"^(?:\.venv/bin/)?crmd ([^\n#|&>$…]+)", re.MULTILINE)
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


def commands(text: str) -> list[list[str]]:
    """What a document tells people to type after `crmd`, as words: in its shell blocks, and between backticks."""
    typed = "\n".join([*BLOCK.findall(text), *INLINE.findall(BLOCK.sub("", text))])
    return [words.split() for words in CRMD.findall(typed) if "COMMAND" not in words]


@pytest.mark.parametrize("name", [*DOCUMENTS, "docs/concepts.md", "docs/operations.md", "docs/plugins.md"])
def test_documents_name_only_commands_that_parse(root: Path, name: str) -> None:
    """Each `crmd …` that a document tells people to type is a command with arguments that it takes."""
    parser = build_parser()
    for words in commands((root / name).read_text("utf-8")):
        if words[0] == "deals-import":  # a command that the example of docs/plugins.md adds
            continue
        with contextlib.suppress(SystemExit):  # --help ends so
            try:
                parser.parse_args(words)
            except UsageError as fault:  # a sentence may name a command without what it needs
                if "arguments are required" not in fault.sentence:
                    raise


def test_the_readme_names_every_command(root: Path) -> None:
    """No command is left out of the README's table."""
    named = {words[0] for words in commands((root / "README.md").read_text("utf-8")) if words}
    aliases = {"plugin"}  # `crmd plugin new` reads better than `crmd plugins new`; both work
    assert set(commands_of(build_parser()).choices) - named - aliases == set()


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
