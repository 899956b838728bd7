from __future__ import annotations

import ast
import statistics
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FILE_LINES_MAX = 250
FUNCTION_LINES_MAX = 40
MEDIAN_LINES_MAX = 9


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """All functions and methods, nested ones too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def line_count(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body. Signature and docstring cost nothing, or the budget would be met by saying less."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (body[-1].end_lineno or body[-1].lineno) - body[0].lineno + 1 if body else 0


def test_no_file_is_long(product: dict[Path, ast.Module]) -> None:
    """No file that ships has more than 250 lines."""
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in product}
    assert {path: length for path, length in lengths.items() if length > FILE_LINES_MAX} == {}


def test_no_function_is_long(product: dict[Path, ast.Module]) -> None:
    """No function that ships has a body of more than 40 lines."""
    long = [
        f"{path}:{function.lineno} {function.name}: {line_count(function)}"
        for path, tree in product.items()
        for function in functions(tree)
        if line_count(function) > FUNCTION_LINES_MAX
    ]
    assert long == []


def test_functions_are_short_at_the_median(product: dict[Path, ast.Module]) -> None:
    """Half of all functions have a body of at most 9 lines."""
    counts = [line_count(function) for tree in product.values() for function in functions(tree)]
    assert statistics.median(counts) <= MEDIAN_LINES_MAX


def test_every_module_says_what_it_is(product: dict[Path, ast.Module]) -> None:
    """Each file that ships opens with a docstring, unless it is empty."""
    silent = [path for path, tree in product.items() if tree.body and ast.get_docstring(tree) is None]
    assert silent == []
