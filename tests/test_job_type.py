from __future__ import annotations

import inspect
from typing import Any, cast

import msgspec
import pytest

import crmd
from crmd.errors import PluginError, UsageError
from crmd.job_type import JobType, job
from crmd.model import NoPayload


class Letter(crmd.Payload, frozen=True):
    """A payload with one field that must be given and one that need not."""

    contact_id: int
    subject_line: str = ""


@job(
    "send-letter", aliases=("letter",), schedule="@daily", on_events="contact.made", concurrency=crmd.Concurrency(max=2)
)
async def send_letter(ctx: crmd.Context, payload: Letter) -> int:
    """Sends a letter."""
    return payload.contact_id


def test_a_declaration_holds_what_it_says() -> None:
    """Name, description, payload, and the short forms of schedule, events and bounds are read from the function."""
    assert isinstance(send_letter, JobType)
    assert (send_letter.name, send_letter.aliases, send_letter.description) == (
        "send-letter", ("letter",), "Sends a letter.",
    )  # fmt: skip
    assert send_letter.payload_type is Letter
    assert send_letter.schedule == crmd.Schedule(expression="@daily")
    assert send_letter.on_events == ("contact.made",)
    assert send_letter.concurrency == (crmd.Concurrency(max=2),)


async def test_a_job_type_can_be_called_as_its_function() -> None:
    """A unit test of a handler's logic needs no engine."""
    assert await send_letter(cast("Any", None), Letter(contact_id=7)) == 7


def test_a_handler_without_a_payload_takes_an_empty_object() -> None:
    """A handler of one parameter has no payload; anything in it is refused."""

    @job("bare")
    async def bare(ctx: crmd.Context) -> None:
        """Nothing."""

    assert bare.payload_type is NoPayload
    assert bare.encode(None) == b"{}"
    assert bare.payload_hint() == "It takes no payload."
    with pytest.raises(UsageError, match="surplus"):
        bare.encode({"surplus": 1})


@pytest.mark.parametrize(
    ("payload", "word"),
    [
        ({}, "contactId"),
        ({"contactId": "7"}, r"\$\.contactId"),
        ({"contactId": 7, "subject": "x"}, "subject"),
        ({"contact_id": 7}, "contact_id"),
    ],
)
def test_a_payload_that_does_not_fit_is_refused_by_field(payload: dict[str, object], word: str) -> None:
    """The sentence names the field as it stands on the wire, and the hint lists those that fit."""
    with pytest.raises(UsageError, match=word) as caught:
        send_letter.encode(payload)
    assert caught.value.hint == "Its fields are contactId, subjectLine? (? marks optional ones)."
    with pytest.raises(UsageError, match=word):
        send_letter.decode(msgspec.json.encode(payload))


def test_a_payload_goes_there_and_back() -> None:
    """A struct and a mapping have the same wire form, which decodes to the struct."""
    data = send_letter.encode({"contactId": 7})
    assert data == send_letter.encode(Letter(contact_id=7)) == b'{"contactId":7,"subjectLine":""}'
    assert send_letter.decode(data) == Letter(contact_id=7)
    assert send_letter.payload_fields() == ["contactId", "subjectLine"]


def test_an_encoded_payload_can_be_stored() -> None:
    """What PostgreSQL cannot keep is replaced before it gets there."""
    assert b"\\u0000" not in send_letter.encode({"contactId": 7, "subjectLine": "a\x00b"})
    assert send_letter.encode(Letter(contact_id=7, subject_line="\ud800"))


def test_a_plain_function_is_refused() -> None:
    """A handler that is not async is named with the way out."""
    with pytest.raises(PluginError, match=r"sync-one .*async") as caught:
        job("sync-one")(cast("Any", lambda _: None))
    assert "async def" in caught.value.hint


@pytest.mark.parametrize("name", ["", "Upper", "two words", "-dash", "dash-", "a--b", "9lives", "x/y", "é"])
def test_a_name_must_fit_commands_and_tables(name: str) -> None:
    """Names and aliases are lower case with digits and dashes."""
    with pytest.raises(PluginError, match="no name"):
        job(name)(send_letter.handler)
    with pytest.raises(PluginError, match="no name"):
        job("fine", aliases=(name,))(send_letter.handler)


def test_a_payload_needs_a_type() -> None:
    """A second parameter without a payload's type, or a third one, is refused when it is declared."""

    async def untyped(ctx, payload):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - the fault that the test is about
        """Nothing."""

    async def three(ctx: crmd.Context, payload: Letter, more: int) -> None:
        """Nothing."""

    async def unknown(ctx: crmd.Context, payload: Missing) -> None:  # type: ignore[name-defined]  # noqa: F821 - the fault that the test is about
        """Nothing."""

    for handler, word in ((untyped, "has no type"), (three, "3 parameters"), (unknown, "cannot be read")):
        assert inspect.iscoroutinefunction(handler)
        with pytest.raises(PluginError, match=word):
            job("x")(cast("Any", handler))
