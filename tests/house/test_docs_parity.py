"""The documents against the code: whatever a plugin may use is told, and whatever is told exists."""

from __future__ import annotations

import ast
import dataclasses
import re
from typing import TYPE_CHECKING, get_args

import pytest

import crmd
from crmd import hookspecs
from crmd.context import Context, Enqueuing, Statements, Transaction
from crmd.job_options import JobOptions
from crmd.model import CatchUp, Overlap
from crmd.plugins import PREFIX

if TYPE_CHECKING:
    from pathlib import Path

# The house's words: one per thing, in code, SQL, documents and logs.
WORDS = (
    "job type", "job", "attempt", "queue", "priority", "lease", "claim", "renew", "settle", "reap", "fence", "snooze",
    "park", "cancel", "dead", "schedule", "tick", "due", "backoff", "limit", "gate", "pause", "lane", "connection",
    "cursor", "checkpoint", "effect", "step", "batch", "template", "event", "handler", "projection", "workspace",
    "suspect", "quarantine", "drain", "daemon",
)  # fmt: skip
HELD = re.compile(r"CHECK \(held IN \(([^)]*)\)\)")
NAMED_TEST = re.compile(r"`(test_[a-z0-9_]+)`")
HOOK = re.compile(rf"(?<![.\w]){PREFIX}[a-z_]+(?=\()")
CONTEXT_USE = re.compile(r"\b(ctx|tx)\.([a-z_]+)\b")


def _public(kind: type) -> set[str]:
    return {name for base in kind.__mro__ for name in vars(base) if not name.startswith("_")}


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """How to write a plugin, and the page of each feature that it may use."""
    return "\n".join(path.read_text("utf-8") for path in sorted((root / "docs").glob("*.md")))


@pytest.fixture(scope="module")
def plugin_page(root: Path) -> str:
    """How to write a plugin."""
    return (root / "docs" / "plugins.md").read_text("utf-8")


@pytest.fixture(scope="module")
def concepts(root: Path) -> str:
    """What is promised and how."""
    return (root / "docs" / "concepts.md").read_text("utf-8")


def test_every_hook_is_told(page: str) -> None:
    """Each hook of hookspecs.py stands in docs/plugins.md, and no other."""
    hooks = {name for name in vars(hookspecs) if name.startswith(PREFIX)}
    told = set(HOOK.findall(page))
    assert told == hooks


def test_the_whole_front_door_is_told(page: str, plugin_page: str) -> None:
    """Each name that a plugin may import stands in the guides as `crmd.Name`, and docs/plugins.md tells no other."""
    assert set(crmd.__all__) - set(re.findall(r"\bcrmd\.([A-Za-z_]+)\b", page)) == set()
    told = set(re.findall(r"\bcrmd\.([A-Za-z_]+)\b", plugin_page))
    elsewhere = {"plugins", "testing", "toml", "clock", "grant_app", "workspace_id"}  # SQL, files, the group
    assert told - set(crmd.__all__) - elsewhere == set()


def test_every_parameter_of_a_job_type_is_told(plugin_page: str) -> None:
    """The first table in docs/plugins.md has one row per parameter of `@crmd.job`, with its default."""
    table = plugin_page[plugin_page.index("| parameter | default |") :].split("\n\n", maxsplit=1)[0]
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (?:`([^`]*)`)?[^|]*\|", table, re.MULTILINE))
    assert set(rows) == {"name", *JobOptions.__annotations__}
    defaults = {field.name: field.default for field in dataclasses.fields(crmd.JobType)}
    for name in JobOptions.__annotations__:
        if rows[name] and defaults[name] not in {None, dataclasses.MISSING}:
            assert ast.literal_eval(rows[name]) == defaults[name], name


def test_everything_on_a_context_is_told(page: str) -> None:
    """Each method and property of a context and of a transaction stands in docs/plugins.md, and no other."""
    context, transaction = _public(Context), _public(Transaction)
    assert {name for name in context | transaction if not re.search(rf"\b{name}\b", page)} == set()
    for where, name in CONTEXT_USE.findall(page):
        assert name in (context if where == "ctx" else transaction), f"{where}.{name}"
    assert _public(Enqueuing) <= context & transaction
    assert _public(Statements) <= transaction


def test_every_choice_of_a_schedule_is_told(page: str) -> None:
    """What becomes of missed and overlapping ticks is told with each of its words."""
    for word in (*get_args(CatchUp), *get_args(Overlap)):
        assert f"`{word}`" in page, word


def test_every_status_and_word_is_told(concepts: str) -> None:
    """Each status has its row in docs/concepts.md, and each word of the house its meaning."""
    for status in get_args(crmd.Status):
        assert re.search(rf"^\| `{status}` \|", concepts, re.MULTILINE), status
    told = {word for bold in re.findall(r"^\| \*\*(.+?)\*\* \|", concepts, re.MULTILINE) for word in bold.split(", ")}
    assert told == set(WORDS)


def test_every_reason_to_hold_a_job_is_told(root: Path, concepts: str) -> None:
    """Each word that `held` may have by the newest constraint has its row in docs/concepts.md, and no other."""
    migrations = sorted((root / "crmd" / "store" / "migrations").glob("*.sql"))
    rules = [rule for path in migrations for rule in HELD.findall(path.read_text("utf-8"))]
    table = concepts[concepts.index("| held |") :].split("\n\n", maxsplit=1)[0]
    told = {word for row in table.splitlines()[2:] for word in re.findall(r"`(\w+)`", row.split("|")[1])}
    assert told == set(re.findall(r"'(\w+)'", rules[-1]))


def test_every_promise_names_tests_that_exist(concepts: str, tests: dict[Path, ast.Module]) -> None:
    """Each of the five promises names at least one test, and each named test is there."""
    known = {
        node.name
        for tree in tests.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    promises = re.findall(r"^\d\. \*\*.*?(?=^\d\. |^## )", concepts, re.MULTILINE | re.DOTALL)
    named = [NAMED_TEST.findall(promise) for promise in promises]
    assert [bool(names) for names in named[:5]] == [True] * 5
    assert {name for names in named for name in names} - known == set()


def test_every_decision_is_listed(root: Path) -> None:
    """docs/README.md leads to each page and each decision."""
    index = (root / "docs" / "README.md").read_text("utf-8")
    pages = [path.relative_to(root / "docs").as_posix() for path in (root / "docs").rglob("*.md")]
    assert [page for page in pages if page != "README.md" and f"]({page})" not in index] == []


def test_decisions_are_short(root: Path) -> None:
    """A decision is at most forty lines: what was decided, why, what was rejected, when to change it."""
    long = {
        path.name: lines
        for path in (root / "docs" / "decisions").glob("*.md")
        if (lines := len(path.read_text("utf-8").splitlines())) > 40
    }
    assert long == {}
