"""docs/faults.md against the tests: each fault has its row, and each row leads to a test that is there."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from pathlib import Path

FAULTS = 62
ROW = re.compile(r"^\| F(\d{1,2}) \| ([^|\n]+) \| ([^|\n]+) \| ([^|\n]+) \|$", re.MULTILINE)
ATTACK = re.compile(r"^\| A(\d{1,2}) \| [^|\n]+ \| [^|\n]+ \| ([^|\n]+) \|$", re.MULTILINE)
ATTACKS = ["1", "2", "3", "4", "5", "6", "10", "11", "12", "13", "14", "15"]
LINK = re.compile(r"\[([^\]\n]+)\]\(([^)\n]+)\)")
# What cannot concern what exists yet says why, in place of a test.
ABSENT = "not yet: "


class Row(NamedTuple):
    """One fault: its number, what happens, what is done about it, and what shows it."""

    number: int
    happens: str
    done: str
    shown: str


@pytest.fixture(scope="module")
def page(root: Path) -> Path:
    """The table of faults."""
    return root / "docs" / "faults.md"


@pytest.fixture(scope="module")
def rows(page: Path) -> list[Row]:
    """Its rows, in order."""
    return [Row(int(number), *cells) for number, *cells in ROW.findall(page.read_text("utf-8"))]


def test_every_fault_has_its_row(rows: list[Row]) -> None:
    """Each number stands once, in order, and no line of the table is of another form."""
    assert [row.number for row in rows] == list(range(1, FAULTS + 1))


def test_every_row_is_shown_by_tests_that_exist(page: Path, rows: list[Row], tests: dict[Path, ast.Module]) -> None:
    """Each link of a row is the name of a test function and leads to the file that holds it."""
    named = {path: _functions(tree) for path, tree in tests.items()}
    wrong = [
        f"F{row.number}: {name}"
        for row in rows
        for name, target in LINK.findall(row.shown)
        if name not in named.get((page.parent / target).resolve(), ())
    ]
    assert wrong == []


def test_what_is_not_shown_says_why(rows: list[Row]) -> None:
    """A row without a test gives its reason, and a row with one gives none."""
    unshown = {row.number for row in rows if not LINK.search(row.shown)}
    assert unshown == {row.number for row in rows if row.shown.startswith(ABSENT)}


def test_every_attack_is_shown_by_tests_that_exist(page: Path, tests: dict[Path, ast.Module]) -> None:
    """Each attack stands once, in order, and each of its links names a test function of the file it leads to."""
    named = {path: _functions(tree) for path, tree in tests.items()}
    rows = ATTACK.findall(page.read_text("utf-8"))
    assert [number for number, _ in rows] == ATTACKS
    assert [number for number, shown in rows if not LINK.search(shown)] == []
    wrong = [
        f"A{number}: {name}"
        for number, shown in rows
        for name, target in LINK.findall(shown)
        if name not in named.get((page.parent / target).resolve(), ())
    ]
    assert wrong == []


def _functions(tree: ast.Module) -> set[str]:
    found = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return {node.name for node in found if node.name.startswith("test_")}
