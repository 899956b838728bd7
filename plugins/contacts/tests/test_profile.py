from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crmd_contacts.claim import Claim
from crmd_contacts.profile import company_name_of, profile_of
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 1, 1, tzinfo=UTC)
VALUES = {
    "name": ["Jane Doe", "Jane", "J. Doe"],
    "title": ["CEO", "CTO"],
    "company": ["Acme Ltd", "Acme"],
    "phone": ["+442079460958;", "+442079460111;", "+447911123456;"],
    "link": ["https://acme.com", "https://jane.dev"],
}


def said(field: str, value: str, day: int, *, kind: str = "", address: str = "jane@acme.com", rank: int = 0) -> Claim:
    """A claim made on a day."""
    return Claim(address, field, value, value.lower(), START + timedelta(days=day), rank=rank, kind=kind)


@st.composite
def claims(draw: st.DrawFn) -> Claim:
    """Any claim about one of two addresses."""
    field = draw(st.sampled_from(sorted(VALUES)))
    return said(
        field,
        draw(st.sampled_from(VALUES[field])),
        draw(st.integers(0, 3)),
        kind=draw(st.sampled_from(["work", "mobile"])),
        address=draw(st.sampled_from(["jane@acme.com", "jane@gmail.com"])),
        rank=draw(st.integers(10, 34)),
    )


@given(st.lists(claims(), max_size=12).flatmap(lambda said: st.tuples(st.just(said), st.permutations(said))))
def test_a_profile_does_not_depend_on_the_order_of_claims(pair: tuple[list[Claim], list[Claim]]) -> None:
    """The same claims in any order give the same profile."""
    assert profile_of(pair[0]) == profile_of(pair[1])


def test_the_newest_title_and_number_win() -> None:
    """What a later message says replaces what an earlier one said; numbers are replaced kind by kind."""
    profile = profile_of(
        [
            said("title", "CEO", 1),
            said("title", "CTO", 2),
            said("phone", "+442079460958;", 1, kind="work"),
            said("phone", "+442079460111;", 2, kind="work"),
            said("phone", "+447911123456;", 1, kind="mobile"),
        ]
    )
    assert profile.title == "CTO"
    assert [(phone.number, phone.kind) for phone in profile.phones] == [
        ("+442079460111", "work"),
        ("+447911123456", "mobile"),
    ]


def test_a_complete_name_beats_a_newer_scrap() -> None:
    """`Jane` in a later header does not replace `Jane Doe`."""
    profile = profile_of([said("name", "Jane Doe", 1, rank=34), said("name", "Jane", 5, rank=14)])
    assert profile.name is not None
    assert profile.name.full == "Jane Doe"


def test_a_company_is_called_what_most_people_sign() -> None:
    """Each person has one vote; without votes the domain stands for the name."""
    votes = [
        said("company", "Acme Ltd", 1, address="a@acme.com"),
        said("company", "Acme Ltd", 2, address="b@acme.com"),
        said("company", "ZZ", 9, address="c@acme.com"),
    ]
    assert company_name_of(votes, "acme.com") == "Acme Ltd"
    assert company_name_of([], "acme.com") == "acme.com"
