"""The fields of a contact's row: what they become when a profile meets what a person typed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from crmd_contacts.company_name import company_key
from crmd_contacts.fold import transliterate

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from uuid import UUID

    from crmd_contacts.claim import Claim
    from crmd_contacts.profile import Profile


@dataclass(frozen=True, slots=True)
class Fields:
    """The columns of `crm.contact` that mail can fill."""

    full_name: str = ""
    given_name: str | None = None
    family_name: str | None = None
    name_prefix: str | None = None
    name_suffix: str | None = None
    title: str | None = None
    company_id: UUID | None = None

    def changed_from(self, before: Fields) -> list[str]:
        """Names of the columns that differ."""
        names = (each.name for each in fields(self))
        return [name for name in names if getattr(self, name) != getattr(before, name)]


@dataclass(frozen=True, slots=True)
class Typed:
    """What a person typed and no machine may overwrite: column names, as `crm.contact.edited_fields` has them."""

    columns: frozenset[str]


def typed_columns(
    before: Fields, company: str, *, source: str, edited_fields: Collection[str], claims: Sequence[Claim]
) -> Typed:
    """The columns that stay as they are.

    Those a person edited; and, of a row that wasn't made from mail, each value that no mail ever stated.
    """
    columns = set(edited_fields)
    if source != "mail":
        said = {(claim.field, claim.match_key) for claim in claims}
        titles = {claim.value for claim in claims if claim.field == "title"}
        if before.full_name and ("name", transliterate(before.full_name)) not in said:
            columns.add("full_name")
        if before.title and before.title not in titles:
            columns.add("title")
        if before.company_id and ("company", company_key(company)) not in said:
            columns.add("company_id")
    if columns & {"given_name", "family_name", "name_prefix", "name_suffix"}:
        columns.add("full_name")
    return Typed(frozenset(columns))


def fields_after(before: Fields, profile: Profile, company_id: UUID | None, typed: Typed) -> Fields:
    """The row's columns after the profile. What the profile doesn't know stays."""
    name = None if "full_name" in typed.columns else profile.name
    title = before.title if "title" in typed.columns else profile.title or before.title
    company = before.company_id if "company_id" in typed.columns else company_id or before.company_id
    if name is None:
        return Fields(
            before.full_name,
            before.given_name,
            before.family_name,
            before.name_prefix,
            before.name_suffix,
            title,
            company,
        )
    return Fields(
        name.full, name.given or None, name.family or None, name.prefix or None, name.suffix or None, title, company
    )
