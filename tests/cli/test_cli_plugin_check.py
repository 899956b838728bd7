from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from crmd.cli import plugin_check
from crmd.plugins import distribution_of, installed
from crmd.testing.conformance.checking import Report
from crmd.testing.conformance.rule import GRADES, RULES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

pytestmark = pytest.mark.slow


def test_a_new_plugin_has_the_top_grade(crmd: Run, tmp_path: Path) -> None:
    """What `plugin new` writes is graded platinum as it stands, by its folder."""
    folder = crmd("plugin", "new", "lead-scoring", "--dir", str(tmp_path), "--json").json["folder"]
    try:
        answer = crmd("plugin", "check", folder, "--json", "--min-grade", "platinum", "--kills", "4")
    finally:
        sys.path[:] = [entry for entry in sys.path if entry != folder]
    [report] = answer.json
    assert (answer.code, report["plugin"], report["grade"]) == (0, "lead-scoring", "platinum")
    assert {finding["rule"] for finding in report["findings"]} == {rule.name for rule in RULES}


def test_a_grade_below_the_wanted_one_ends_with_1(crmd: Run, tmp_path: Path) -> None:
    """A plugin that fails a rule is shown with its place, progress goes aside, and the exit code says it."""
    package = tmp_path / "crmd_silent"
    package.mkdir()
    (package / "__init__.py").write_text(
        'import crmd\n\n\n@crmd.job("be-silent")\nasync def silent(ctx):\n    return None\n', "utf-8"
    )
    project = '[project]\nname = "crmd-silent"\n[project.entry-points."crmd.plugins"]\nsilent = "crmd_silent"\n'
    (tmp_path / "pyproject.toml").write_text(project, "utf-8")
    try:
        answer = crmd("plugin", "check", str(tmp_path), "--kills", "2")
    finally:
        sys.path[:] = [entry for entry in sys.path if entry != str(tmp_path)]
    assert answer.code == 1
    assert "declares\tbronze\tfail\tbe-silent\tthe handler has no docstring" in answer.out
    assert "crmd_silent/__init__.py:4 silent" in answer.out
    assert "silent: none" in answer.err


def test_what_is_no_plugin_is_told(crmd: Run, tmp_path: Path) -> None:
    """A name that nobody has, and a folder that is no project, are one sentence with what to do."""
    assert "There is no plugin 'nobody' here" in crmd("plugin", "check", "nobody").err
    assert "has no pyproject.toml" in crmd("plugin", "check", str(tmp_path)).err


def test_the_command_line_knows_the_grades() -> None:
    """The grades of the command line are those of the rules, which it does not import before it must."""
    from crmd.cli import grammar_setup  # noqa: PLC0415 - beside what it is compared with

    assert grammar_setup.GRADES == GRADES


def test_a_grade_is_kept_when_asked(crmd: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--record` keeps the grade of an installed plugin, and what was run, in the configured database, audited."""

    async def graded(name: str, _arena: object, **_kept: object) -> Report:
        return Report(name, "silver", (), 1.0)

    monkeypatch.setattr(plugin_check, "check_plugin", graded)
    crmd("migrate")
    assert crmd("plugin", "check", "trial").code == 0
    assert crmd("audit", "--json").json == []
    assert crmd("plugin", "check", "trial", "--record").code == 0
    [noted] = crmd("audit", "--json").json
    assert (noted["action"], noted["target"]) == ("plugins.grade", "trial")
    assert (noted["details"]["grade"], noted["details"]["version"]) == ("silver", distribution_of(installed()["trial"]))


@pytest.mark.parametrize("kills", ["-1", "0", "1"])
def test_a_job_is_killed_for_its_grade(crmd: Run, kills: str) -> None:
    """Nobody gets a grade for jobs that were not killed at their first and last step."""
    answer = crmd("plugin", "check", "trial", "--kills", kills)
    assert (answer.code, answer.out) == (2, "")
    assert "--kills is 2 or more" in answer.err


def test_a_folder_has_no_grade_to_keep(crmd: Run, tmp_path: Path) -> None:
    """What is not installed is refused before anything is run: its grade would be of something else."""
    (tmp_path / "crmd_elsewhere").mkdir()
    project = '[project]\nname = "elsewhere"\n[project.entry-points."crmd.plugins"]\nelsewhere = "crmd_elsewhere"\n'
    (tmp_path / "pyproject.toml").write_text(project, "utf-8")
    path = list(sys.path)
    answer = crmd("plugin", "check", str(tmp_path), "--record")
    sys.path[:] = path
    assert answer.code == 2
    assert "is not installed, so its grade is not kept" in answer.err
