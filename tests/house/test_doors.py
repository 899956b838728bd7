from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import crmd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DATA_MODEL = "crmd_crm"


def imported(tree: ast.Module) -> Iterator[tuple[int, str, str]]:
    """(line, module, name) of each import; the name is empty for a plain `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, node.module, alias.name) for alias in node.names)


def distribution(path: Path) -> str:
    """The folder under plugins/ that a file belongs to; empty for crmd itself."""
    parts = path.parts
    return parts[parts.index("plugins") + 1] if "plugins" in parts else ""


def is_inside(module: str, name: str) -> bool:
    """Whether an import reaches past the front door of crmd."""
    if module == "crmd":
        return name not in {"", *crmd.__all__, "testing", "__version__"}
    return module.startswith("crmd.")


def test_plugins_use_the_front_door(product: dict[Path, ast.Module]) -> None:
    """A plugin imports `crmd` alone, and from it only what `crmd.__all__` names."""
    found = [
        f"{path}:{line} {module} {name}"
        for path, tree in product.items()
        for line, module, name in imported(tree)
        if distribution(path) and is_inside(module, name)
    ]
    assert found == []


def test_plugins_tests_use_the_testing_door(tests: dict[Path, ast.Module]) -> None:
    """A plugin's tests import `crmd` and `crmd.testing`, nothing further inside."""
    found = [
        f"{path}:{line} {module} {name}"
        for path, tree in tests.items()
        for line, module, name in imported(tree)
        if distribution(path) and is_inside(module, name) and module.split(".")[:2] != ["crmd", "testing"]
    ]
    assert found == []


def test_plugins_depend_on_no_other_plugin_but_the_data_model(product: dict[Path, ast.Module]) -> None:
    """A plugin imports its own package and crmd_crm; crmd itself imports no plugin."""
    found = []
    for path, tree in product.items():
        own = f"crmd_{distribution(path)}" if distribution(path) else ""
        allowed = {own, DATA_MODEL} if own else set()
        tops = {module.split(".")[0] for _, module, _ in imported(tree)}
        found += [f"{path} {top}" for top in tops if top.startswith("crmd_") and top not in allowed]
    assert found == []
