"""The answer key of the demo mailbox: what a careful reader would know from its messages alone."""

from __future__ import annotations

from importlib import resources
from typing import Literal

import msgspec


class Formerly(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What an older signature said and the newest one does not."""

    title: str | None = None
    phones: tuple[str, ...] = ()


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One person; title and phones (E.164, fax apart) are those of the newest full signature.

    `same_person_by` says what joins two addresses; `languages` are those of the person's own messages.
    """

    name: str
    addresses: tuple[str, ...]
    company: str
    title: str | None
    phones: tuple[str, ...]
    languages: tuple[str, ...]
    is_colleague: bool
    fax: str | None = None
    formerly: Formerly = Formerly()
    same_person_by: str | None = None


class Owner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose mailbox it is."""

    name: str
    address: str
    aliases: tuple[str, ...]
    company: str


class NotPerson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An address that no contact should be made of; `owner` is the mailbox's own."""

    address: str
    kind: Literal["bounce", "newsletter", "noreply", "owner", "role", "spam", "system"]
    name: str


class Switchboard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A number that different people share; it joins nobody."""

    phone: str
    company: str
    people: tuple[str, ...]


class Bounce(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that tells of a failed or late delivery; `status` is None where the report is prose."""

    file: str
    recipient: str
    action: Literal["failed", "delayed"]
    status: str | None
    is_hard: bool
    message_id: str | None


class VacationReply(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An automatic answer; it tells who is away, and is no reply."""

    file: str
    address: str


class Messy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that is broken or odd, and how."""

    file: str
    what: str


class AnswerKey(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole key; `about` says how to read it."""

    about: str
    owner: Owner
    people: tuple[Person, ...]
    not_people: tuple[NotPerson, ...]
    switchboards: tuple[Switchboard, ...]
    bounces: tuple[Bounce, ...]
    vacation_replies: tuple[VacationReply, ...]
    messy: tuple[Messy, ...]


def answer_key() -> AnswerKey:
    """Give the answer key."""
    data = resources.files(__package__).joinpath("answer_key.json").read_bytes()
    return msgspec.json.decode(data, type=AnswerKey)
