from __future__ import annotations

import ast
import hashlib
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

STATEMENT = re.compile(
    r"\s*(?:SELECT|INSERT\s+INTO|UPDATE|DELETE\s+FROM|WITH|CREATE|ALTER|DROP|TRUNCATE|COPY|LOCK|LISTEN|NOTIFY|GRANT"
    r"|REVOKE|EXPLAIN|VACUUM|BEGIN|COMMIT|ROLLBACK|SET)(?:\s+\S|\s*$)"
)
MIGRATION = re.compile(r"[0-9]{4}_[a-z0-9_]+\.sql")
HASHES = "migrations.sha256"


def spoken(tree: ast.Module) -> Iterator[ast.Constant]:
    """String constants that the program uses: docstrings and other bare strings are left out."""
    bare = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in bare:
            yield node


def test_no_sql_stands_in_python(product: dict[Path, ast.Module]) -> None:
    """Statements live in .sql files: no string in the product begins like one."""
    found = [
        f"{path}:{node.lineno} {str(node.value)[:50]}"
        for path, tree in product.items()
        for node in spoken(tree)
        if STATEMENT.match(str(node.value))
    ]
    assert found == []


def test_every_query_opens_with_a_comment(queries: list[Path]) -> None:
    """Each query file says first why it exists."""
    assert [path for path in queries if not path.read_text("utf-8").startswith("-- ")] == []


def test_every_query_file_holds_one_statement(queries: list[Path]) -> None:
    """One query a file; only what makes one thing out of several CREATEs may hold those together."""
    several = []
    for path in queries:
        if "testing" in path.parts:  # scripts that prepare a test's database
            continue
        bare = re.sub(r"--[^\n]*|\$\$.*?\$\$|'[^']*'", "", path.read_text("utf-8"), flags=re.DOTALL)
        statements = [statement.strip() for statement in bare.split(";") if statement.strip()]
        if len(statements) > 1 and not all(statement.startswith("CREATE ") for statement in statements):
            several.append(path)
    assert several == []


def test_migrations_are_numbered_without_gaps(migration_folders: list[Path]) -> None:
    """Each folder counts 0001, 0002 … with names that say what they bring."""
    for folder in migration_folders:
        names = sorted(path.name for path in folder.glob("*.sql"))
        assert all(MIGRATION.fullmatch(name) for name in names), folder
        assert [int(name[:4]) for name in names] == list(range(1, len(names) + 1)), folder


def test_a_released_migration_never_changes(migration_folders: list[Path]) -> None:
    """Each migration that `make seal` has entered in migrations.sha256 is still there, byte for byte."""
    for folder in migration_folders:
        hashes = folder / HASHES
        for line in hashes.read_text("utf-8").splitlines() if hashes.exists() else []:
            digest, name = line.split()
            assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest, folder / name
