"""Times of schedules as no caller should write them: the API refuses each in a sentence, and keeps nothing of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
import sample_jobs
from api_server import api_over

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
# Wrong in each of the five fields.
NO_FIELD = (
    "-1", "-", "1-", "-5-", "1-2-3", "*/0", "*/-1", "*/", "/", "/5", "1/", "*/*", "*/x", "**", "1,,2", ",", "1,", ",1",
    "99", "400", "1.5", "1e1", "0x1", "x", "R", "'1'", "$(id)", "%", "h(", "h(1", "h()", "h(9-1)", "l-", "#", "1#",
    "#1", "¹", "٣", "½", "\u202e1",
)  # fmt: skip
NEVER = ("0 0 30 2 *", "0 0 31 2 *", "0 0 31 4 *", "0 0 31 6 *", "0 0 31 9 *", "0 0 31 11 *", "0 0 31 2,4,6,9,11 *")
NO_EXPRESSION = (
    "", " ", "*", "* *", "* * *", "* * * *", "* * * * * *", "*/10 * * * * *", "* * * * * * 2027", "0 0 0 1 1 ? 2027",
    "@", "@reboot", "@every", "@dailyy", "@ daily", "every", "every s", "every 1", "every 0s", "every -1s",
    "every 1.5s", "every 1y", "every 367d", "every 99999999d", "every 999999999s", "every 1s1", "every now", "rrule:",
    "* * * * *; DROP TABLE crmd.schedule", "\n", "* * *\u0000* *", "* " * 5000, "1-" * 5000, "h(" * 5000,
)  # fmt: skip
MADE = "SELECT count(*) FROM crmd.schedule WHERE origin = 'runtime'"
ZONES = ("Europe/Zurch", "", "local", "UTC+1", "../../etc/passwd", "America", "X" * 5000, "Europe/Berlin\u0000")
INSTANTS = (
    "soon",
    "",
    "2030-02-30T00:00:00Z",
    "2030-01-01T25:00:00Z",
    "99999-01-01T00:00:00Z",
    "2030",
    1893456000,
    True,
)


def wrong_times() -> list[dict[str, Any]]:
    """Parts of a schedule of which one does not fit."""
    fields = [["*"] * place + [word] + ["*"] * (4 - place) for place, word in itertools.product(range(5), NO_FIELD)]
    expressions = [*(" ".join(five) for five in fields), *NEVER, *NO_EXPRESSION]
    return [
        *({"expression": expression} for expression in expressions),
        *({"expression": "0 9 * * *", "timezone": zone} for zone in ZONES),
        *({"at": instant} for instant in INSTANTS),
        {},
        {"expression": "0 9 * * *", "at": "2030-01-01T00:00:00Z"},
    ]


async def test_no_unreadable_time_is_kept(workbench: Workbench) -> None:
    """Two hundred expressions, zones and instants that are malformed, hostile or never come: 422, and no row."""
    wrong = wrong_times()
    assert len(wrong) > 200
    async with api_over(workbench) as api:
        place = f"/api/workspaces/{uuid4()}/schedules"
        for number, when in enumerate(wrong):
            body = {"name": f"n{number}", "type": "add-one", "payload": {"number": 1}, **when}
            told = await api.ask("POST", place, body)
            assert (told.status, bool(told.body["detail"])) == (422, True), (when, told)
        assert await workbench._pool.fetchval(MADE) == 0
        right = {"name": "right", "type": "add-one", "payload": {"number": 1}, "expression": "0 9 * * *"}
        assert (await api.ask("POST", place, right)).status == 201
        assert await workbench._pool.fetchval(MADE) == 1
