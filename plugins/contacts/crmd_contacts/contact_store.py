"""A contact in the database: brought in line with what its addresses' claims add up to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import crmd
from crmd_contacts.claims_store import claims_about
from crmd_contacts.company_store import company_id_of, forget_companies
from crmd_contacts.fields import Fields, fields_after, typed_columns
from crmd_contacts.profile import profile_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from crmd_contacts.profile import Profile

SQL = crmd.load_queries("crmd_contacts")


async def derive_contact(tx: crmd.Transaction, contact_id: UUID) -> list[str]:
    """Write the profile of a contact's addresses into its rows; returns the names of what changed, sorted."""
    row = (await tx.fetch(SQL.contacts, [contact_id]))[0]
    belongings = await tx.fetch(SQL.belongings, contact_id)
    claims = await claims_about(tx, (each["value"] for each in belongings if each["what"] == "email"))
    profile = profile_of(claims)
    before = _fields(row)
    typed = typed_columns(
        before, row["company"] or "", source=row["source"], edited_fields=row["edited_fields"], claims=claims
    )
    company = None if "company_id" in typed.columns else profile.company
    after = fields_after(before, profile, await company_id_of(tx, company), typed)
    changed = after.changed_from(before)
    if changed:
        await _update(tx, contact_id, after)
        if after.company_id != before.company_id:
            await forget_companies(tx, [before.company_id])
    around = await _derive_belongings(tx, contact_id, profile, belongings, typed.columns)
    if around and not changed:
        await tx.execute(SQL.touch_contact, contact_id)
    return sorted([*changed, *around])


def _fields(row: Mapping[str, Any]) -> Fields:
    return Fields(
        full_name=row["full_name"],
        given_name=row["given_name"],
        family_name=row["family_name"],
        name_prefix=row["name_prefix"],
        name_suffix=row["name_suffix"],
        title=row["title"],
        company_id=row["company_id"],
    )


async def _update(tx: crmd.Statements, contact_id: UUID, after: Fields) -> None:
    await tx.execute(
        SQL.update_contact,
        contact_id,
        after.full_name,
        after.given_name,
        after.family_name,
        after.name_prefix,
        after.name_suffix,
        after.title,
        after.company_id,
    )


async def _derive_belongings(
    tx: crmd.Statements, contact_id: UUID, profile: Profile, belongings: list[Any], typed: frozenset[str]
) -> list[str]:
    changed = []
    emails = [each for each in belongings if each["what"] == "email"]
    if "emails" not in typed and await _derive_primary(tx, contact_id, profile.primary_address, emails):
        changed.append("emails")
    phones = [(f"{each.number};{each.extension}", each.kind, each.raw) for each in profile.phones]
    if "phones" not in typed and _differ(belongings, "phone", phones):
        await _write_phones(tx, contact_id, profile)
        changed.append("phones")
    links = [(url, kind, "") for url, kind in profile.links]
    if "links" not in typed and _differ(belongings, "link", links):
        await _write_links(tx, contact_id, profile)
        changed.append("links")
    return changed


def _differ(belongings: list[Any], what: str, wanted: list[tuple[str, str, str]]) -> bool:
    """Whether the rows made from mail aren't those wanted; what a person typed is neither."""
    rows = [each for each in belongings if each["what"] == what]
    typed = {each["value"] for each in rows if each["source"] != "mail"}
    standing = {(each["value"], each["kind"], each["raw"]) for each in rows if each["source"] == "mail"}
    return standing != {each for each in wanted if each[0] not in typed}


async def _derive_primary(tx: crmd.Statements, contact_id: UUID, primary: str, emails: list[Any]) -> bool:
    """Mark the primary address; one that a person marked stays."""
    marked = next((email for email in emails if email["is_primary"]), None)
    if not primary or (marked and (marked["source"] != "mail" or marked["value"] == primary)):
        return False
    await tx.execute(SQL.clear_primary, contact_id)
    await tx.execute(SQL.set_primary, contact_id, primary)
    return True


async def _write_phones(tx: crmd.Statements, contact_id: UUID, profile: Profile) -> None:
    await tx.execute(SQL.delete_phones, contact_id, [f"{each.number};{each.extension}" for each in profile.phones])
    rows = [(each.number, each.extension, each.kind, each.raw) for each in profile.phones]
    await tx.execute(SQL.upsert_phones, contact_id, *(list(column) for column in _columns(rows, 4)))


async def _write_links(tx: crmd.Statements, contact_id: UUID, profile: Profile) -> None:
    await tx.execute(SQL.delete_links, contact_id, [url for url, _ in profile.links])
    await tx.execute(SQL.upsert_links, contact_id, *(list(column) for column in _columns(list(profile.links), 2)))


def _columns(rows: Sequence[tuple[str, ...]], count: int) -> list[tuple[str, ...]]:
    return list(zip(*rows, strict=True)) or [()] * count
