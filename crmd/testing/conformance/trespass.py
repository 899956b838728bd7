"""Rule `workspace`: a second workspace is there with rows of its own, which the job must leave as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.testing.conformance.place import place_of_handler
from crmd.testing.conformance.rule import Finding
from crmd.testing.snapshot import Comparison

if TYPE_CHECKING:
    from crmd.testing.conformance.trial import Trials
    from crmd.testing.conformance.undisturbed import Undisturbed


async def keeps_to_its_workspace(trials: Trials, base: Undisturbed) -> Finding:
    """A job that belongs to no workspace works for all of them, and passes."""
    name = base.job_type.name
    if not trials.sample.has_workspace:
        return Finding("workspace", "pass", name)
    async with trials.fresh(neighbour=True) as trial:
        before = (await trial.snapshot()).only(trial.scene.workspace_id, is_inverted=True)
        await trial.attempt()
        after = (await trial.snapshot()).only(trial.scene.workspace_id, is_inverted=True)
    differences = [one for one in Comparison(before, before).differences(after) if one.table != "jobs"]
    if not differences:
        return Finding("workspace", "pass", name)
    what = f"rows of another workspace: {differences[0]}"
    return Finding("workspace", "fail", name, what, place_of_handler(base.job_type))
