from __future__ import annotations

import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest
from crmd_contacts.claim import claims_of
from hypothesis import given
from hypothesis import strategies as st

if TYPE_CHECKING:
    from tests.conftest import MailFrom


@dataclass(frozen=True, slots=True)
class Case:
    """A mail's text, and what it says of its sender."""

    sender: str
    text: str
    title: str = ""
    company: str = ""
    phones: tuple[str, ...] = ()
    links: tuple[str, ...] = ()
    name: str = ""


def _cases(kind: str) -> list[Case]:
    found = tomllib.loads((Path(__file__).parent / "signatures.toml").read_text("utf-8"))
    return msgspec.convert(found[kind], list[Case])


SIGNED = _cases("signed")
SILENT = _cases("silent")


@pytest.mark.parametrize("case", SIGNED, ids=lambda case: case.sender)
def test_signatures_are_read_as_a_careful_reader_would(case: Case, mail_from: MailFrom) -> None:
    """Title, company, phones and links of the sender, and nothing else, come out of a real-looking signature."""
    said = claims_of(mail_from(case.sender, case.text))
    assert [each.value for each in said if each.field == "title"] == ([case.title] if case.title else [])
    assert [each.value for each in said if each.field == "company"] == ([case.company] if case.company else [])
    phones = sorted(f"{each.value.rstrip(';')} {each.kind}" for each in said if each.field == "phone")
    assert phones == sorted(case.phones)
    assert sorted(each.value for each in said if each.field == "link") == sorted(case.links)
    if case.name:
        assert [each.value for each in said if each.field == "name"] == [case.name]


@pytest.mark.parametrize("case", SILENT, ids=range(len(SILENT)))
def test_what_is_not_the_senders_own_is_not_taken(case: Case, mail_from: MailFrom) -> None:
    """Prose, quotes, other people's signatures and account numbers say nothing about the sender."""
    said = claims_of(mail_from(case.sender, case.text))
    assert [each.value for each in said if each.field != "name"] == []


@given(
    st.lists(
        st.sampled_from(["Jane Doe", "-- ", "Best,", "CEO", "Acme Ltd", "+1 212 555 0100", "> x", "", "|", "x" * 300]),
        max_size=60,
    )
)
def test_any_arrangement_of_lines_is_read_without_error(mail_from: MailFrom, lines: list[str]) -> None:
    """However signature lines are shuffled, at most one title and one company come out, and all about the sender."""
    said = claims_of(mail_from("Jane Doe <jane@acme.com>", "\n".join(lines)))
    assert sum(each.field == "title" for each in said) <= 1
    assert sum(each.field == "company" for each in said) <= 1
    assert {each.address for each in said} == {"jane@acme.com"}


@pytest.mark.parametrize(
    "piece",
    [
        "+1 ",
        "0",
        "Tel: 0 ",
        "www.",
        "a.",
        "a@",
        "- ",
        "| ",
        "(",
        "Best,\n",
        "-- \n",
        "Jane Doe\n",
        "CEO, ",
        "é",
        "Best, Jane\n+1 212 555 0100\n",
    ],
)
def test_hostile_signatures_take_linear_time(piece: str, mail_from: MailFrom) -> None:
    """100 KB of anything below a sign-off is read in about the time of a short mail."""
    text = "Best regards,\nJane Doe\n" + piece * (100_000 // len(piece))
    started = time.process_time()
    claims_of(mail_from("Jane Doe <jane@acme.com>", text))
    assert time.process_time() - started < 3
