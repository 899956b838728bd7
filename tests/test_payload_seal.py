from __future__ import annotations

import types
from typing import TYPE_CHECKING
from uuid import uuid4

import asyncpg
import msgspec
import pytest

import crmd
from crmd.connections.vault import SealBroken
from crmd.errors import PluginError, UsageError
from crmd.payload_seal import FIELD
from crmd.store.payload_editing import editing, readable, storable

if TYPE_CHECKING:
    from crmd.testing import Workbench

SALARY = "95000-a-year"
SEEN: list[str] = []
secretive = types.ModuleType("secretive")


class Review(crmd.Payload, frozen=True):
    """What nobody else is to read."""

    contact_id: str
    salary: str


@crmd.job(
    "reviews",
    is_payload_sealed=True,
    concurrency=crmd.Concurrency(max=1, per="contactId"),
    unique=crmd.Unique(fields=("contactId",)),
)
async def reviews(ctx: crmd.Context, review: Review) -> None:
    """Reads its payload, and starts another of its kind."""
    SEEN.append(review.salary)
    if review.contact_id == "first":
        await ctx.enqueue("reviews", Review(contact_id="second", salary=SALARY))


@crmd.job("reads-too", is_payload_sealed=True)
async def reads_too(_: crmd.Context, review: Review) -> None:
    """Another type with such payloads."""
    SEEN.append(review.salary)


for declared in (reviews, reads_too):
    setattr(secretive, declared.name.replace("-", "_"), declared)
pytestmark = pytest.mark.crmd_plugins(secretive)


async def test_a_sealed_payload_is_nowhere_in_the_clear(workbench: Workbench) -> None:
    """The handler reads it, the database does not; jobs that it starts are sealed too."""
    SEEN.clear()
    await workbench.enqueue("reviews", {"contactId": "first", "salary": SALARY})
    await workbench.drain()
    assert SEEN == [SALARY, SALARY]
    stored = [row["payload"] for row in await workbench.everything.pools.control.fetch("SELECT payload FROM crmd.jobs")]
    assert len(stored) == 2
    assert all(SALARY.encode() not in payload for payload in stored)


async def test_what_decides_about_a_job_stays_readable(workbench: Workbench) -> None:
    """Fields that limits and unique keys go by stand beside the sealed text, so both work as ever."""
    first = await workbench.enqueue("reviews", {"contactId": "a", "salary": SALARY})
    second = await workbench.enqueue("reviews", {"contactId": "a", "salary": "another"})
    assert (second.id, second.is_new) == (first.id, False)
    row = await workbench.everything.pools.control.fetchrow("SELECT payload, lane FROM crmd.job")
    assert row is not None
    assert set(msgspec.json.decode(row["payload"])) == {FIELD, "contactId"}
    assert "type:reviews:contactId/a" in row["lane"]


async def test_a_sealed_text_opens_for_its_job_type_alone(workbench: Workbench) -> None:
    """Moved to a job of another type, or changed, it does not open."""
    job_types = workbench.everything.loaded.job_types
    stored = job_types["reads-too"].encode({"contactId": "a", "salary": SALARY})
    assert job_types["reads-too"].decode(stored) == Review(contact_id="a", salary=SALARY)
    with pytest.raises(SealBroken):
        job_types["reviews"].decode(stored)


async def test_sql_cannot_enqueue_what_is_to_be_sealed(workbench: Workbench) -> None:
    """SQL has no key, so a payload in the clear is refused and nothing is kept of it."""
    with pytest.raises(asyncpg.PostgresError, match="are sealed, which SQL cannot do"):
        await workbench.everything.pools.plugins.fetch(
            "SELECT crmd.enqueue('reads-too', $1, $2)", {"contactId": "a", "salary": SALARY}, uuid4()
        )


def test_a_declaration_that_needs_the_payload_is_refused() -> None:
    """Neither a key of the whole payload nor events can work with one that is sealed."""
    with pytest.raises(PluginError, match="is sealed"):
        crmd.job("no", is_payload_sealed=True, unique=crmd.Unique())(reviews.handler)
    with pytest.raises(PluginError, match="is sealed"):
        crmd.job("no", is_payload_sealed=True, on_events="contact.created")(reviews.handler)


async def test_an_operators_patch_goes_into_the_sealed_payload(workbench: Workbench) -> None:
    """A patch of a dead letter changes what is sealed inside, is checked against its type, and is sealed with it."""
    job_types = workbench.everything.loaded.job_types
    known = job_types["reviews"]
    row = {"type": "reviews", "payload": storable({"contactId": "first", "salary": "little"}, known)}
    stored = editing({"salary": SALARY}, job_types)(row)
    assert SALARY not in str(stored)
    assert set(stored) == {FIELD, "contactId"}
    assert readable({**row, "payload": stored}, job_types) == {"contactId": "first", "salary": SALARY}
    with pytest.raises(UsageError, match="salary"):
        editing({"salary": None}, job_types)(row)
    with pytest.raises(UsageError, match="no loaded plugin can open it"):
        editing({"salary": SALARY}, {})(row)
