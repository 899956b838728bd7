"""What the house rules look at: the checkout's own files, read once."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_GENERATED = {".venv", ".git", "__pycache__", "dist", "build", "node_modules"}


def _files(*patterns: str) -> list[Path]:
    found = {path for pattern in patterns for path in ROOT.glob(pattern) if path.is_file()}
    return sorted(path for path in found if not _GENERATED & set(path.relative_to(ROOT).parts))


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session")
def product() -> dict[Path, ast.Module]:
    """Each Python file that ships, parsed: crmd and the plugins' packages, not their tests."""
    return {path: ast.parse(path.read_text("utf-8")) for path in _files("crmd/**/*.py", "plugins/*/crmd_*/**/*.py")}


@pytest.fixture(scope="session")
def tests() -> dict[Path, ast.Module]:
    """Each Python file under a folder of tests, parsed."""
    return {path: ast.parse(path.read_text("utf-8")) for path in _files("tests/**/*.py", "plugins/*/tests/**/*.py")}


@pytest.fixture(scope="session")
def queries() -> list[Path]:
    """Each SQL file that ships, migrations left out."""
    return [path for path in _files("crmd/**/*.sql", "plugins/*/crmd_*/**/*.sql") if path.parent.name != "migrations"]


@pytest.fixture(scope="session")
def migration_folders() -> list[Path]:
    """Each folder of migrations."""
    found = _files("crmd/**/migrations/*.sql", "plugins/*/crmd_*/**/migrations/*.sql")
    return sorted({path.parent for path in found})


@pytest.fixture(scope="session")
def texts() -> dict[Path, str]:
    """Each text that people write here: code, SQL, documents, settings and scripts; not sample mail."""
    patterns = [f"{top}/**/*.{kind}" for top in ("crmd", "plugins", "tests", "docs", "systemd") for kind in _KINDS]
    files = _files("*", ".ci/*", ".github/**/*", "systemd/*", *patterns)
    return {path: path.read_text("utf-8") for path in files if path.name != "LICENSE"}


_KINDS = ("py", "sql", "md", "toml", "yaml", "yml", "js", "css", "html", "sh")
