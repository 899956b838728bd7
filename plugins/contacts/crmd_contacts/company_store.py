"""Companies in the database: found or made for a profile, and named as their people sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import crmd
from crmd_contacts.claims_store import company_claims
from crmd_contacts.profile import CompanyRef, company_name_of

if TYPE_CHECKING:
    from uuid import UUID

SQL = crmd.load_queries("crmd_contacts")


async def company_id_of(tx: crmd.Statements, company: CompanyRef | None) -> UUID | None:
    """The row of a company, made when missing; None when the profile tells of none."""
    if company is None or not (company.domain or company.name):
        return None
    if not company.domain:
        known: UUID | None = await tx.fetchval(SQL.company_by_name, company.name)
        return known or await _insert(tx, company.name, None)
    row = await tx.fetchrow(SQL.company_by_domain, company.domain)
    if row is not None:
        found: UUID = row["id"]
        return found
    name = company_name_of(await company_claims(tx, company.domain), company.domain)
    return await _insert(tx, name, company.domain)


async def _insert(tx: crmd.Statements, name: str, domain: str | None) -> UUID:
    made: UUID = await tx.fetchval(SQL.insert_company, name, domain)
    return made


async def rename_company(tx: crmd.Statements, domain: str) -> None:
    """Call the company of a domain what most of its people sign, unless a person named it."""
    row = await tx.fetchrow(SQL.company_by_domain, domain)
    if row is None or row["source"] != "mail" or "name" in row["edited_fields"]:
        return
    name = company_name_of(await company_claims(tx, domain), domain)
    if name != row["name"]:
        await tx.execute(SQL.rename_company, row["id"], name)
