"""`crmd events`, as an operator uses it: what happened, what got stuck, what is handed over again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import event_jobs
import msgspec
import pytest

from crmd.cli.events import tree_of
from crmd.plugins import ModuleEntry
from crmd.testing.workbench import open_workbench

if TYPE_CHECKING:
    from crmd.config.loading import Config
    from tests.cli.conftest import Run

pytestmark = pytest.mark.crmd_plugins(event_jobs)
WORKSPACE = str(uuid4())


@pytest.fixture(autouse=True)
def happened(crmd_config: Config) -> None:
    """Three contacts were created, one of whom the handler cannot cope with; the others' jobs are done."""
    asyncio.run(happen(crmd_config, "ann", "poison", "bob"))


async def happen(config: Config, *contacts: str) -> None:
    """Emit from SQL and run what follows."""
    assert config.database.dsn is not None
    connection = await asyncpg.connect(config.database.dsn.reveal())
    for name in contacts:
        await connection.execute(
            "SELECT crmd.emit('contact.created', $1, $2::uuid, aggregate_type => 'contact', aggregate_id => $3)",
            msgspec.json.encode({"contactId": name}).decode(), WORKSPACE, name,
        )  # fmt: skip
    await connection.close()
    await work(config)


async def work(config: Config) -> None:
    """Run what is due by now, and retries too."""
    async with open_workbench(config, {"event_jobs": ModuleEntry("event_jobs", event_jobs)}) as workbench:
        await workbench.drain(is_time_moved=True)


def test_events_are_listed_and_shown(crmd: Run) -> None:
    """The list is filtered and paged; one event is shown with those it was handed to."""
    rows = crmd("events", "--type", "contact.*", "--workspace", WORKSPACE, "--json").json
    assert [row["data"]["contactId"] for row in rows] == ["bob", "poison", "ann"]
    older = crmd("events", "list", "--type", "contact.created", "--before", rows[0]["id"], "--json").json
    assert [row["data"]["contactId"] for row in older] == ["poison", "ann"]
    assert len(crmd("events", "--aggregate", "contact/ann", "--json").json) == 1
    assert crmd("events", "--until", "2020-01-01T00:00Z").err == "There are no such events.\n"
    shown = crmd("events", "show", rows[2]["id"], "--json").json
    assert [(one["handler"], one["status"]) for one in shown["deliveries"]] == [("on-greet", "completed")]
    assert "on-greet" in crmd("events", "show", rows[2]["id"]).out
    assert crmd("events", "show", "ffff").code == 2
    assert crmd("events", "list", "--since", "yesterday").code == 2


def test_a_chain_is_shown_as_a_tree(crmd: Run) -> None:
    """Each event and job of a chain stands below what it follows from."""
    [ann] = crmd("events", "--aggregate", "contact/ann", "--json").json
    lines = crmd("events", "trace", ann["id"]).out.splitlines()
    assert [line.split("  ")[0].strip() or line.strip().split("  ")[0] for line in lines] == [
        "event * contact.created", "job on-greet", "event greeting.sent", "job follow-up",
    ]  # fmt: skip
    assert [len(line) - len(line.lstrip()) for line in lines] == [0, 3, 6, 9]
    assert crmd("events", "trace", str(uuid4())).code == 2


def test_a_cause_that_is_gone_begins_a_tree() -> None:
    """Rows whose cause retention has dropped, and causes that name each other, are all shown once."""
    rows: list[dict[str, object]] = [{"id": 1, "cause": "9"}, {"id": 2, "cause": "1"}, {"id": 3, "cause": None}]
    assert [(depth, row["id"]) for depth, row in tree_of(rows)] == [(0, 1), (1, 2), (0, 3)]


def test_parked_events_are_retried_and_dismissed(crmd: Run, crmd_config: Config) -> None:
    """What a handler cannot cope with is listed with its error, handed over again, and let be."""
    [parked] = crmd("events", "parked", "--handler", "on-greet", "--json").json
    assert (parked["type"], parked["message"], parked["attempt"]) == ("contact.created", "cannot be greeted", 2)
    assert "cannot be greeted" in crmd("events", "parked").out
    assert crmd("events", "retry", "on-greet", "--json").json == {"handler": "on-greet", "events": 1}
    assert crmd("events", "parked", "--handler", "on-greet", "--json").json == []
    again = crmd("events", "retry", "on-greet")
    assert (again.code, "No such event is parked for on-greet." in again.err) == (1, True)
    asyncio.run(work(crmd_config))
    assert crmd("events", "dismiss", "on-greet", parked["event_id"]).code == 0
    assert crmd("events", "parked", "--handler", "on-greet", "--json").json == []
    assert crmd("audit", "--action", "events", "--json").json[0]["target"] == "on-greet"


def test_a_replay_is_tried_dry(crmd: Run) -> None:
    """A dry run counts and hands over nothing; a replay leaves out what was had unless told, at a pace if wanted."""
    dry = crmd("events", "replay", "--to", "on-greet", "--dry-run", "--json").json
    assert [(row["type"], row["events"], row["delivered"]) for row in dry] == [("contact.created", 3, 3)]
    assert crmd("events", "replay", "--to", "on-greet", "--yes", "--json").json == {"handler": "on-greet", "jobs": 0}
    replayed = crmd("events", "replay", "--to", "on-greet", "--again", "--yes", "--per-second", "1", "--json")
    assert replayed.json == {"handler": "on-greet", "jobs": 3}
    jobs = crmd("jobs", "--type", "on-greet", "--json").json
    waiting = [job["status"] for job in jobs if job["status"] in {"pending", "scheduled"}]
    assert sorted(waiting) == ["pending", "scheduled", "scheduled"]
    narrow = crmd("events", "replay", "--to", "on-greet", "--again", "--yes", "--aggregate", "contact/bob", "--json")
    assert narrow.json["jobs"] == 1
    assert crmd("events", "replay", "--to", "on-greet", "--type", "order.paid", "--yes").code == 2
    assert "on-greet" in crmd("events", "replay", "--to", "on-gret", "--yes").err
    assert crmd("events", "replay", "--to", "on-greet", "--again").code == 2  # nobody is there to be asked


def test_triggers_are_added_and_taken_back(crmd: Run) -> None:
    """A trigger of run time is listed, can be taken back, and is refused with a sentence where it does not fit."""
    added = crmd("events", "trigger", "deal.won", "greet-by-hand", "--when", "$.amount > 100", "--delay", "5m")
    assert added.code == 0
    [row] = crmd("events", "triggers", "--job", "greet-by-hand", "--json").json
    assert (row["condition"], row["delay_seconds"], row["origin"]) == ('($."amount" > 100)', 300, "runtime")
    for words in (("deal.won", "nothing"), ("deal.won", "greet-by-hand", "--when", "$."), ("Deal", "greet-by-hand"),
                  ("deal.won", "greet-by-hand", "--when", "$.amount")):  # fmt: skip
        assert crmd("events", "trigger", *words).code in {2, 3}, words
    assert crmd("events", "untrigger", "deal.won", "greet-by-hand").code == 0
    assert crmd("events", "untrigger", "deal.won", "greet-by-hand").code == 1


def test_events_are_followed(crmd_process: Run, crmd_config: Config) -> None:
    """`tail` prints what is emitted while it runs, in order, as lines of JSON if wanted."""

    async def follow() -> str:
        following = asyncio.create_task(
            asyncio.to_thread(crmd_process, "events", "tail", "--type", "contact.created", "--limit", "2", "--json")
        )
        while not following.done():
            await happen(crmd_config, "eve")
        return (await following).out

    rows = [msgspec.json.decode(line) for line in asyncio.run(follow()).splitlines()]
    assert [row["data"]["contactId"] for row in rows] == ["eve", "eve"]
    assert rows[0]["seq"] < rows[1]["seq"]


def test_a_projection_that_stands_still_is_found(crmd: Run, crmd_config: Config) -> None:
    """`crmd doctor` names a projection whose fold fails, with the error; `crmd events projections` lists it."""

    async def stall() -> None:
        assert crmd_config.database.dsn is not None
        connection = await asyncpg.connect(crmd_config.database.dsn.reveal())
        await connection.execute(
            """INSERT INTO crmd.projection (name, generation, plugin, version, state, made_at, error)
            VALUES ('sums', 1, 'nobody', 1, 'live', now(), 'division by zero')"""
        )
        await connection.close()

    asyncio.run(stall())
    [row] = crmd("events", "projections", "--json").json
    assert (row["name"], row["state"], row["error"]) == ("sums", "live", "division by zero")
    assert row["behind"] > 0
    found = [one for one in crmd("doctor", "--json").json if one["about"] == "projections"]
    assert [(one["state"], one["found"]) for one in found] == [("broken", "sums stands still: division by zero")]
    assert crmd("events", "replay", "--to", "sums", "--yes", "--json").json == {"projection": "sums", "generation": 2}
    assert crmd("events", "replay", "--to", "sums", "--type", "x.y", "--yes").code == 2
