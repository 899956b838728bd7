"""Claims in the database: adding them, and reading them back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import crmd
from crmd_contacts.claim import Claim
from crmd_contacts.domain import company_domain

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

SQL = crmd.load_queries("crmd_contacts")
_LENGTH_MAX = 300


@dataclass(frozen=True, slots=True)
class ClaimNews:
    """What adding claims changed: addresses of any change, addresses that may match anew, domains to name anew."""

    addresses: frozenset[str]
    matchable: frozenset[str]
    domains: frozenset[str]


async def add_claims(tx: crmd.Statements, claims: Sequence[Claim]) -> ClaimNews:
    """Add claims; what is known already in this form changes no row."""
    columns = list(zip(*(_row(claim) for claim in claims), strict=True)) or [()] * 9
    rows = await tx.fetch(SQL.upsert_claims, *(list(column) for column in columns))
    news = [row for row in rows if row["is_new"]]
    return ClaimNews(
        addresses=frozenset(row["address"] for row in rows),
        matchable=frozenset(row["address"] for row in news if row["field"] in {"name", "phone", "company"}),
        domains=frozenset(row["domain"] for row in rows if row["field"] == "company" and row["domain"]),
    )


def _row(claim: Claim) -> tuple[object, ...]:
    domain = claim.kind if claim.field == "company" else company_domain(claim.address)
    return (
        claim.address,
        claim.field,
        claim.value[:_LENGTH_MAX],
        claim.match_key[:_LENGTH_MAX],
        domain,
        claim.rank,
        claim.kind[:_LENGTH_MAX],
        claim.detail[:_LENGTH_MAX],
        claim.as_of,
    )


async def claims_about(tx: crmd.Statements, addresses: Iterable[str]) -> list[Claim]:
    """All claims about some addresses."""
    return [_claim(row) for row in await tx.fetch(SQL.claims_of_addresses, sorted(addresses))]


async def company_claims(tx: crmd.Statements, domain: str) -> list[Claim]:
    """What people sign as the company of a domain."""
    return [_claim(row) for row in await tx.fetch(SQL.company_claims, domain)]


def _claim(row: Mapping[str, Any]) -> Claim:
    return Claim(
        address=row["address"],
        field=row["field"],
        value=row["value"],
        match_key=row["match_key"],
        as_of=row["as_of"],
        rank=row["rank"],
        kind=row["kind"],
        detail=row["detail"],
    )
