from __future__ import annotations

import pytest
from crmd_contacts.company_name import company_key
from crmd_contacts.domain import company_domain
from crmd_contacts.match import Facet, match_facets
from crmd_contacts.person_name import parse_name
from crmd_contacts.similarity import similarity
from hypothesis import given
from hypothesis import strategies as st

PHONE = "+442079460958"


def facet(text: str, *, company: str = "", phone: str = "") -> Facet:
    """A facet from `Name <address>`."""
    shown, _, address = text.rstrip(">").rpartition("<")
    name = parse_name(shown)
    assert name is not None
    return Facet(
        address=address,
        domain=company_domain(address),
        names=frozenset((name,)),
        phones=frozenset((phone,)) - {""},
        companies=frozenset((company_key(company),)) - {""},
    )


ONE_PERSON = [
    (facet("Jane Doe <jane@acme.com>", phone=PHONE), facet("Jane Doe <jane@gmail.com>", phone=PHONE), "phone"),
    (facet("J. Doe <jd@acme.com>", phone=PHONE), facet("Jane Doe <jane@gmail.com>", phone=PHONE), "phone"),
    (facet("Jane Doe <jane.doe@acme.com>"), facet("Jane Doe <jd@acme.com>"), "name_and_company"),
    (facet("Jürgen Groß <j.gross@a.de>"), facet("Juergen Gross <gross@a.de>"), "name_and_company"),
    (facet("Doe, Jane <jane.doe@acme.com>"), facet("Jane Doe <doe@acme.com>"), "name_and_company"),
    (facet("Jon Smith <js@acme.com>"), facet("John Smith <smith@acme.com>"), "name_and_company"),
    (
        facet("Jane Doe <jane@acme.com>", company="Acme Ltd"),
        facet("Jane Doe <jane@gmail.com>", company="ACME Limited"),
        "name_and_company",
    ),
    (facet("王小明 <wang@a.cn>"), facet("王 小明 <wxm@a.cn>"), "name_and_company"),
]
TWO_PEOPLE = [
    (facet("Jane Doe <jane@acme.com>"), facet("Jane Doe <jane@gmail.com>")),
    (facet("Jane Doe <jane@acme.com>"), facet("Jane Doe <jane@other.com>")),
    (facet("Jane Doe <jane@acme.com>", phone=PHONE), facet("Tom Reed <tom@acme.com>", phone=PHONE)),
    (facet("Jane Doe <jane@acme.com>", phone=PHONE), facet("John Doe <john@acme.com>", phone=PHONE)),
    (facet("Jane Doe <jane@acme.com>"), facet("J. Doe <jd@acme.com>")),
    (facet("Anna Müller <anna.mueller@a.de>"), facet("Anne Müller <anne.mueller@a.de>")),
    (facet("Peter Schmidt <peter.schmidt@a.de>"), facet("Peter Schmidt <peter.schmidt2@a.de>")),
    (facet("Jane <jane@acme.com>", phone=PHONE), facet("Jane Doe <jd@acme.com>", phone=PHONE)),
    (facet("Jane Doe <jane@gmail.com>"), facet("Jane Doe <jdoe@gmail.com>")),
]


@pytest.mark.parametrize(("left", "right", "reason"), ONE_PERSON)
def test_one_person_is_recognised(left: Facet, right: Facet, reason: str) -> None:
    """A name with a number, or a name with a company, makes two addresses one person, from either side."""
    for one, other in ((left, right), (right, left)):
        match = match_facets(one, other)
        assert match is not None
        assert match.reason == reason


@pytest.mark.parametrize(("left", "right"), TWO_PEOPLE)
def test_two_people_stay_two(left: Facet, right: Facet) -> None:
    """A number, a name or a company alone makes nobody one; nor do addresses that a company keeps apart."""
    assert match_facets(left, right) is None
    assert match_facets(right, left) is None


@given(st.text(max_size=30), st.text(max_size=30))
def test_similarity_is_a_symmetric_share(left: str, right: str) -> None:
    """Likeness lies between 0 and 1, is the same from both sides, and is 1 for equal words only."""
    value = similarity(left, right)
    assert 0.0 <= value <= 1.0
    assert value == pytest.approx(similarity(right, left))
    assert (value == 1.0) == (left == right != "")


def test_similarity_agrees_with_published_values() -> None:
    """Jaro-Winkler gives the values its author published for three pairs of names."""
    assert similarity("martha", "marhta") == pytest.approx(0.9611, abs=1e-4)
    assert similarity("dwayne", "duane") == pytest.approx(0.84, abs=1e-4)
    assert similarity("dixon", "dicksonx") == pytest.approx(0.8133, abs=1e-4)
