"""Grades of plugins: kept here, shipped with the release, and shown for what is installed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import sample_jobs
from api_server import api_over

from crmd.graded import Graded, counting, released
from crmd.store import grades

if TYPE_CHECKING:
    from api_server import ApiServer

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
PLUGINS = Path(__file__).parents[1] / "plugins"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def graded(distribution: str, at: datetime = NOON) -> Graded:
    """A grade of what was run then."""
    return Graded(plugin="mail", distribution=distribution, grade="gold", checked_at=at)


async def shown(api: ApiServer) -> Any:  # noqa: ANN401 - JSON
    """The grade that the API answers for the plugin of this test."""
    told = await api.ask("GET", "/api/plugins")
    assert told.status == 200
    return next(one["grade"] for one in told.body["plugins"] if one["name"] == "sample_jobs")


async def test_a_grade_is_shown_for_what_was_run(workbench: Workbench) -> None:
    """Never checked is null; a grade that was kept is shown, and says so where another version is installed."""
    [plugin] = [one for one in workbench.everything.services.registry.plugins if one.name == "sample_jobs"]
    async with api_over(workbench) as api:
        assert await shown(api) is None
        await grades.record(workbench._pool, "sample_jobs", "sample-jobs 0.0.9", "silver")
        old = await shown(api)
        assert (old["name"], old["version"], old["isOutdated"]) == ("silver", "sample-jobs 0.0.9", True)
        await grades.record(workbench._pool, "sample_jobs", plugin.distribution, "gold")
        new = await shown(api)
        assert (new["name"], new["isOutdated"], new["checkedFor"]) == ("gold", False, "installation")


def test_the_grade_of_the_installed_version_counts() -> None:
    """Of several grades the one of the installed version counts, then the newest; without any there is none."""
    later = NOON + timedelta(days=1)
    installed, other, again = graded("mail 2"), graded("mail 1", later), graded("mail 2", later)
    assert counting("mail 2", [other, installed]) is installed
    assert counting("mail 2", [again, installed]) is again
    assert counting("mail 3", [installed, other]) is other
    assert counting("mail 2", []) is None


def test_shipped_grades_are_of_this_release() -> None:
    """Each built-in plugin ships with the top grade of just the version that is installed; else: `make grades`."""
    built_in = {path.parent.name for path in PLUGINS.glob("*/pyproject.toml")}
    assert set(released()) == built_in
    for name, one in released().items():
        assert (one.distribution, one.grade) == (f"crmd-{name} {version(f'crmd-{name}')}", "platinum")
