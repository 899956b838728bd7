from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BANNED = re.compile(r"(?:^|_)(?:managers?|helpers?|utils?|base|misc|common)(?:_|$)|handle_data")
CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
SHORTEST = 3
STANDARD_LIBRARY_CLASHES = {"html.py", "email.py", "types.py", "queue.py"}  # break whatever imports the real one


def test_no_module_has_a_name_that_says_nothing(product: dict[Path, ast.Module], root: Path) -> None:
    """No module or folder is called manager, helper, utils, base, misc, common, or by two letters."""
    parts = {part for path in product for part in path.relative_to(root).with_suffix("").parts}
    assert sorted(part for part in parts if BANNED.search(part)) == []
    assert sorted(part for part in parts if len(part) < SHORTEST) == []


def test_no_class_or_function_has_a_name_that_says_nothing(product: dict[Path, ast.Module]) -> None:
    """No class or function carries one of the banned words."""
    named = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [
        f"{path}:{node.lineno} {node.name}"
        for path, tree in product.items()
        for node in ast.walk(tree)
        if isinstance(node, named) and BANNED.search(CAMEL.sub("_", node.name).lower())
    ]
    assert found == []


def test_no_plugin_module_hides_one_of_the_standard_library(product: dict[Path, ast.Module]) -> None:
    """No plugin's top-level module takes a name under which the standard library would be looked for."""
    assert [path for path in product if "plugins" in path.parts and path.name in STANDARD_LIBRARY_CLASHES] == []
