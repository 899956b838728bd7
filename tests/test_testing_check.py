from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faulty import crashes

from crmd.testing.arena import Arena
from crmd.testing.conformance.checking import check_plugin
from crmd.testing.conformance.disturbing import spread
from crmd.testing.conformance.payload_faults import spoilt
from crmd.testing.conformance.rule import GRADES, RULES, Finding, grade_of
from crmd.testing.preparing import entries_of

if TYPE_CHECKING:
    from crmd.testing.conformance.checking import Report
    from crmd.testing.databases import TestServer

pytestmark = pytest.mark.slow

# The plugin, the one rule that names it, what is said, and the file and function that are named.
PLANTED = [
    ("blocks", "loop", "stands still", "blocks.py:", " block"),
    ("doubles", "duplicate", "ledger.entry: 1 more", "doubles.py:", " book"),
    ("loses", "kill", "ledger.entry: 1 missing", "loses.py:", " book_late"),
    ("hammers", "rate-limit", "costs it an attempt", "hammers.py:", " fetch_orders"),
    ("swallows", "cancel", "went on all the same", "swallows.py:", " go_on"),
    ("crashes", "payload", "KeyError", "crashes.py:", " greet_somebody"),
    ("trespasses", "workspace", "trespasses.note", "trespasses/__init__.py:", " read_notes"),
    ("tells", "secrets", "written to the log", "tells.py:", " tell"),
    ("holds", "transaction", "a transaction is open while it asks rates.example", "holds.py:", " ask_inside"),
    ("hoards", "memory", "keeps 512 KiB", "hoards.py:", ""),
    ("roles", "migrates", "crmd_faulty_reader", "faulty.roles/migrations", ""),
    ("strays", "network", "connects to 127.0.0.1 by itself", "strays.py:", " call_home"),
    ("unguarded", "row-security", "unguarded.note", "faulty.unguarded/migrations", ""),
    ("mumbles", "declares", "no docstring", "mumbles.py:", " mumble"),
]


async def checked(name: str, server: TestServer, folder: Path) -> Report:
    """The report on one of the faulty plugins, with the table that some of them need."""
    modules = [import_module(f"faulty.{one}") for one in ("ledger", name)]
    async with Arena(server, entries_of(modules), folder) as arena:
        return await check_plugin(name, arena, kills_max=40 if name == "loses" else 3)


@pytest.mark.parametrize(("name", "rule", "words", "file", "function"), PLANTED, ids=[one[0] for one in PLANTED])
async def test_each_planted_fault_is_named(
    name: str, rule: str, words: str, file: str, function: str, crmd_server: TestServer, tmp_path: Path
) -> None:
    """A plugin with one planted fault fails the one rule that is about it, and the place is named."""
    report = await checked(name, crmd_server, tmp_path)
    failed = [finding for finding in report.findings if finding.outcome == "fail"]
    assert {finding.rule for finding in failed} == {rule}, failed
    assert words in failed[0].what
    assert file in failed[0].place
    assert failed[0].place.endswith(function)
    assert report.grade != "platinum"


async def test_a_plugin_without_fault_has_the_top_grade(crmd_server: TestServer, tmp_path: Path) -> None:
    """A plugin that does nothing wrong is graded platinum."""
    report = await checked("ledger", crmd_server, tmp_path)
    assert (report.grade, [one for one in report.findings if one.outcome != "pass"]) == ("platinum", [])


def test_a_grade_asks_for_all_below_it() -> None:
    """The grade is the highest whose rules, and all below it, hold."""
    passed = [Finding(rule.name, "pass") for rule in RULES]
    assert grade_of(passed) == "platinum"
    for rule in RULES:
        below = GRADES[GRADES.index(rule.grade) - 1]
        assert grade_of([*passed, Finding(rule.name, "fail")]) == below
        assert grade_of([*passed, Finding(rule.name, "skip")]) == ("platinum" if rule.grade == "bronze" else below)


def test_the_guide_tells_each_rule() -> None:
    """docs/testing.md has one row per rule, in their order, with its grade and its promise."""
    guide = (Path(__file__).parents[1] / "docs" / "testing.md").read_text("utf-8")
    rows = re.findall(r"^\| ([a-z-]+) \| (bronze|silver|gold|platinum) \| (.*) \|$", guide, re.MULTILINE)
    assert rows == [(rule.name, rule.grade, rule.promise) for rule in RULES]


def test_payloads_are_spoilt_field_by_field() -> None:
    """Each field is left out and given values unlike its own, and an unknown one is added."""
    job_type = crashes.greet_somebody
    made = list(spoilt(job_type, {"data": {"a": 1}}))
    assert made == [
        ("noSuchField", {"data": {"a": 1}, "noSuchField": 1}),
        ("data", {}),
        ("data", {"data": {}}),
        ("data", {"data": 17}),
    ]


def test_kills_are_spread_evenly() -> None:
    """Of more steps than kills are wanted, the first and the last are among those that are taken."""
    assert spread(5, 10) == [1, 2, 3, 4, 5]
    assert spread(100, 5) == [1, 26, 51, 75, 100]
    assert spread(0, 5) == []
