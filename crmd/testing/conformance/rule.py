"""The rules that a plugin is graded by, and the ladder of grades: each asks for its rules and all below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

    from crmd.graded import Grade

Outcome: TypeAlias = Literal["pass", "fail", "skip"]

GRADES: tuple[Grade, ...] = ("none", "bronze", "silver", "gold", "platinum")


@dataclass(frozen=True, slots=True)
class Rule:
    """What a plugin must hold.

    Args:
        name: As the table shows it.
        grade: The lowest grade that asks for it.
        promise: In one sentence.
    """

    name: str
    grade: Grade
    promise: str


@dataclass(frozen=True, slots=True)
class Finding:
    """How one rule stands for the plugin, or for one of its job types.

    Args:
        rule: Its name.
        outcome: A rule that could not be tried is skipped, which is no pass.
        about: The job type, or "" for the plugin as a whole.
        what: What was seen; empty when all went well.
        place: Where in the plugin's code.
    """

    rule: str
    outcome: Outcome
    about: str = ""
    what: str = ""
    place: str = ""


RULES: tuple[Rule, ...] = (
    Rule("loads", "bronze", "It is imported, its hooks fit, and no name clashes."),
    Rule("declares", "bronze", "Job types and payloads have descriptions, and two loads declare the same."),
    Rule("migrates", "bronze", "Its migrations apply to one new database after another on the same server."),
    Rule("runs", "bronze", "Each sample ends well, with the same rows each time."),
    Rule("payload", "silver", "A payload that does not fit is refused with its path, and never crashes the handler."),
    Rule("duplicate", "silver", "The same job once more leaves the same rows and tells of nothing twice."),
    Rule("cancel", "silver", "A cancelled job ends soon, and the next one finishes its work."),
    Rule("secrets", "silver", "No token and no secret setting stands in a log, an error, a result, an event or a row."),
    Rule(
        "row-security", "silver", "Each of its tables with a workspace_id has forced row-level security with a policy."
    ),
    Rule("kill", "gold", "Killed at any step, it ends with the rows of a run that nobody disturbed."),
    Rule("rate-limit", "gold", "A provider's 429 makes it wait as long as was asked, and costs no attempt."),
    Rule("loop", "gold", "It never blocks the event loop."),
    Rule("transaction", "gold", "It never holds a transaction while it waits for the outside."),
    Rule("time-limit", "gold", "In a database that stands still it ends when its time is over."),
    Rule("workspace", "platinum", "It writes no row of another workspace."),
    Rule("network", "platinum", "It asks only hosts that its provider or its sample declares, by crmd's own clients."),
    Rule("clock", "platinum", "The clock may jump a day ahead while it runs."),
    Rule("memory", "platinum", "It keeps nothing in memory from run to run, and one run stays below 64 MiB."),
    Rule("sampled", "platinum", "Each job type has a sample."),
)
BY_NAME = {rule.name: rule for rule in RULES}


def grade_of(findings: Iterable[Finding]) -> Grade:
    """The highest grade of which, and of all below which, every rule was tried and holds.

    Bronze is given for what could be tried: without samples there is no more.
    """
    spoilt = {BY_NAME[finding.rule].grade for finding in findings if finding.outcome == "fail"}
    spoilt |= {BY_NAME[finding.rule].grade for finding in findings if finding.outcome == "skip"} - {"bronze"}
    reached: Grade = "none"
    for grade in GRADES[1:]:
        if grade in spoilt:
            break
        reached = grade
    return reached
