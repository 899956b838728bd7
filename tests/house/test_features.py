"""The table of features: whatever it says of crmd has a page and tests, and no cell is left out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

SYMBOLS = frozenset("●$◐○?")
OURS = re.compile(r"\[(.)\]\(([^)#]+)(?:#([^)]+))?\) \[test\]\(([^)]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
PEERS = 10


@pytest.fixture(scope="module")
def text(root: Path) -> str:
    """The page."""
    return (root / "docs" / "features.md").read_text("utf-8")


@pytest.fixture(scope="module")
def rows(text: str) -> list[list[str]]:
    """Each row of a feature, as its cells: those of all tables after the legend, without their heads."""
    lines = [line for line in text.partition("\n## ")[2].splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [row for row in cells if row[0] not in {"", "---"}]


def anchors(page: str) -> set[str]:
    """What links may name behind `#`: each heading in lower case, without punctuation, words joined."""
    headings = HEADING.findall(FENCED.sub("", page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_legend_is_whole(text: str) -> None:
    """The page says what each symbol means, and no other."""
    assert set(re.findall(r"^\| (.) \| ", text, re.MULTILINE)) == SYMBOLS


def test_every_row_is_whole(rows: list[list[str]]) -> None:
    """Each feature stands once, with a cell for crmd and for each other system, of the legend's symbols."""
    assert len(rows) > 50
    assert len({row[0] for row in rows}) == len(rows)
    for name, ours, *others in rows:
        assert len(others) == PEERS, name
        assert set(others) <= SYMBOLS, name
        assert OURS.fullmatch(ours) or ours == "○", name


def test_what_we_claim_is_told_and_tested(root: Path, rows: list[list[str]]) -> None:
    """Each feature that we claim links a heading that exists and a file of tests that exists."""
    claims = [(row[0], OURS.fullmatch(row[1])) for row in rows]
    for name, claim in claims:
        if claim is None:
            continue
        symbol, page, anchor, test = claim.groups()
        assert symbol in "●◐", name
        assert anchor is None or anchor in anchors((root / "docs" / page).read_text("utf-8")), name
        found = (root / "docs" / test).resolve()
        assert found.is_relative_to(root / "tests"), name
        assert "def test_" in found.read_text("utf-8"), name


def test_the_page_is_found(root: Path) -> None:
    """README and the list of documents lead to it."""
    assert "](docs/features.md)" in (root / "README.md").read_text("utf-8")
    assert "](features.md)" in (root / "docs" / "README.md").read_text("utf-8")
