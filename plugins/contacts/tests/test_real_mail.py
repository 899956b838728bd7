from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from crmd_contacts.address import can_be_person
from crmd_contacts.claim import claims_of
from crmd_contacts.mail import Mail, Party
from crmd_crm.mail import Unparseable, classify, parse_message

if TYPE_CHECKING:
    from pathlib import Path

    from crmd_contacts.claim import Claim

    from tests.conftest import Corpus

SILENT_MIN = 0.95
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def claims_in(path: Path) -> list[Claim]:
    """What a file says about people; nothing when it can't be a message."""
    try:
        parsed = parse_message(path.read_bytes())
    except Unparseable:
        return []
    roles = (("from", parsed.from_), ("reply_to", parsed.reply_to), ("to", parsed.to), ("cc", parsed.cc))
    parties = tuple(Party(role, each.name, each.address) for role, named in roles for each in named if each.address)
    return claims_of(Mail(uuid4(), classify(parsed).kind.value, NOW, parsed.subject, parsed.text, parties))


def test_real_bounces_and_complaints_make_no_people(corpus: Corpus) -> None:
    """At least 95 % of real bounces, vacation replies and feedback reports say nothing about anybody."""
    files = corpus("bounces/*.eml")
    silent = [path for path in files if not claims_in(path)]
    assert len(silent) / len(files) >= SILENT_MIN


def test_real_mail_is_read_whatever_its_state(corpus: Corpus) -> None:
    """Every real message, broken ones included, is read without error, and only addresses of people get claims."""
    found = [claim for path in corpus("mail/**/*") for claim in claims_in(path)]
    assert found
    assert all(can_be_person(claim.address) for claim in found)
    assert all(claim.value.strip() == claim.value != "" for claim in found)
