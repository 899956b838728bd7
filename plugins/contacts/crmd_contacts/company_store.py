"""Companies in the database: found or made for a profile, and named as their people sign."""

from __future__ import annotations

from typing import TYPE_CHECKING

import crmd
from crmd_contacts.claims_store import company_claims
from crmd_contacts.company_name import is_sister_company
from crmd_contacts.profile import CompanyRef, company_name_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from uuid import UUID

SQL = crmd.load_queries("crmd_contacts")


async def company_id_of(tx: crmd.Statements, company: CompanyRef | None) -> UUID | None:
    """The row of a company, made when missing; None when the profile tells of none.

    A domain has one company; who signs as a sister company of it belongs to that one, which has no domain.
    """
    if company is None or not (company.domain or company.name):
        return None
    if not company.domain:
        return await _by_name(tx, company.name)
    row = await tx.fetchrow(SQL.company_by_domain, company.domain)
    name = row["name"] if row else company_name_of(await company_claims(tx, company.domain), company.domain)
    known: UUID = row["id"] if row else await _insert(tx, name, company.domain)
    is_sister = bool(company.name) and is_sister_company(company.name, name, company.domain)
    return await _by_name(tx, company.name) if is_sister else known


async def _by_name(tx: crmd.Statements, name: str) -> UUID:
    known: UUID | None = await tx.fetchval(SQL.company_by_name, name)
    return known or await _insert(tx, name, None)


async def _insert(tx: crmd.Statements, name: str, domain: str | None) -> UUID:
    made: UUID = await tx.fetchval(SQL.insert_company, name, domain)
    return made


async def forget_companies(tx: crmd.Statements, left: Iterable[UUID | None]) -> None:
    """Forget those of the companies just left that mail made known and that nobody belongs to any more."""
    ids = sorted({company_id for company_id in left if company_id is not None})
    if ids:
        await tx.execute(SQL.forget_companies, ids)


async def rename_company(tx: crmd.Statements, domain: str) -> frozenset[str]:
    """Call the company of a domain what most of its people sign, unless a person named it.

    Returns the addresses whose company must be looked at again: all that sign one, when the name changed.
    """
    row = await tx.fetchrow(SQL.company_by_domain, domain)
    if row is None or row["source"] != "mail" or "name" in row["edited_fields"]:
        return frozenset()
    claims = await company_claims(tx, domain)
    name = company_name_of(claims, domain)
    if name == row["name"]:
        return frozenset()
    await tx.execute(SQL.rename_company, row["id"], name)
    return frozenset(claim.address for claim in claims)
