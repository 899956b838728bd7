from __future__ import annotations

import ast
import io
import re
import tokenize
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

UNDONE = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
# A folder next to the checkout, the homes of whoever works on it, and package registries have no place in a project.
ELSEWHERE = re.compile(r"\.\./" + "shared|/" + r"root/|/home/[a-z]|pypi" + r"\.org|pythonhosted" + r"\.org")
NOQA_WITH_REASON = re.compile(r"# noqa: [A-Z0-9]+(?:, [A-Z0-9]+)* - \S.{3,}")
IGNORE_WITH_REASON = re.compile(r"# type: ignore\[[a-z, -]+\] +(?:# |- )\S.{3,}")
SILENT = ("except Exception: pass", "except: pass", "except BaseException: pass")


def test_nothing_is_left_for_later(texts: dict[Path, str]) -> None:
    """No file carries a mark for unfinished work."""
    assert [path for path, text in texts.items() if UNDONE.search(text)] == []


def test_no_file_names_the_machine_it_was_written_on(texts: dict[Path, str], root: Path) -> None:
    """No file mentions this checkout's own path, a home folder, or a package registry."""
    named = [path for path, text in texts.items() if ELSEWHERE.search(text) or f"{root}/" in text]
    assert named == []


def test_every_exception_from_a_rule_has_its_reason(
    product: dict[Path, ast.Module], tests: dict[Path, ast.Module]
) -> None:
    """Each `noqa` and `type: ignore` says why on its own line."""
    bare = []
    for path in [*product, *tests]:
        for token in tokenize.generate_tokens(io.StringIO(path.read_text("utf-8")).readline):
            if token.type != tokenize.COMMENT:
                continue
            comment = token.string
            is_noqa = re.search(r"#\s*(?:ruff:\s*)?noqa", comment) and not NOQA_WITH_REASON.search(comment)
            is_ignore = "type: ignore" in comment and not IGNORE_WITH_REASON.search(comment)
            if is_noqa or is_ignore:
                bare.append(f"{path}:{token.start[0]} {comment}")
    assert bare == []


def test_no_exception_is_swallowed(product: dict[Path, ast.Module]) -> None:
    """No handler of all exceptions does nothing: a fault is told or raised."""
    found = [
        f"{path}:{node.lineno}"
        for path, tree in product.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or (isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}))
        and all(isinstance(statement, ast.Pass) for statement in node.body)
    ]
    assert found == []


def test_every_test_states_its_promise(tests: dict[Path, ast.Module]) -> None:
    """Each test's docstring says in its first line what it holds."""
    silent = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in tests.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not (ast.get_docstring(node) or "").partition("\n")[0]
    ]
    assert silent == []


def test_no_test_waits_for_time_to_pass(tests: dict[Path, ast.Module]) -> None:
    """No test blocks on time.sleep; clocks are injected and loops are stepped."""
    found = [
        f"{path}:{node.lineno}"
        for path, tree in tests.items()
        if path.name.startswith("test_")  # a sample job may well block: that is what it shows
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and isinstance(node.func.value, ast.Name)
        and (node.func.value.id, node.func.attr) == ("time", "sleep")
    ]
    assert found == []
