"""People in the database: claims go in, and contacts are created, brought in line and merged in one transaction."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING
from uuid import UUID

import crmd
from crmd_contacts.claims_store import ClaimNews, add_claims, claims_about
from crmd_contacts.company_store import forget_companies, rename_company
from crmd_contacts.contact_store import derive_contact
from crmd_contacts.facet import facet_of_row, facets_of, search_keys
from crmd_contacts.match import Match, match_facets
from crmd_contacts.merging import merge_into
from crmd_contacts.plan import Node, Person, Standing, group, plan_people
from crmd_contacts.profile import profile_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from crmd_contacts.claim import Claim
    from crmd_contacts.match import Facet

SQL = crmd.load_queries("crmd_contacts")


@dataclass(slots=True)
class Tally:
    """How many contacts a message created, updated and merged."""

    created: int = 0
    updated: int = 0
    merged: int = 0


async def record_claims(tx: crmd.Transaction, claims: Sequence[Claim]) -> Tally:
    """Add claims and bring every contact they concern in line with all claims known.

    One writer per workspace at a time, so that two jobs that meet one person don't create it twice.
    """
    tally = Tally()
    users = {row["email"] for row in await tx.fetch(SQL.users, sorted({claim.address for claim in claims}))}
    outside = [claim for claim in claims if claim.address not in users]
    if not outside:
        return tally
    await tx.execute(SQL.lock_people)
    news = await add_claims(tx, outside)
    if not news.addresses:
        return tally
    owners = {row["address"]: row["contact_id"] for row in await tx.fetch(SQL.owners, sorted(news.addresses))}
    matches = await _matches(tx, news, owners)
    nodes: list[Node] = sorted({owners.get(address, address) for address in news.addresses}, key=str)
    groups = group(nodes, matches)
    standings = await _standings(tx, [node for members, _ in groups for node in members if isinstance(node, UUID)])
    signed = [await rename_company(tx, domain) for domain in sorted(news.domains)]
    for person in plan_people(groups, standings):
        await _carry_out(tx, person, tally)
    await _look_again(tx, frozenset().union(*signed) - news.addresses, tally)
    return tally


async def _look_again(tx: crmd.Transaction, addresses: frozenset[str], tally: Tally) -> None:
    """Bring in line whoever signs as the company of a domain that was just renamed: it may be a sister of it now."""
    rows = await tx.fetch(SQL.owners, sorted(addresses)) if addresses else []
    for contact_id in sorted({row["contact_id"] for row in rows}):
        changed = await derive_contact(tx, contact_id)
        if changed:
            tally.updated += 1
            await _tell(tx, "contact.updated", contact_id, changed)


async def _matches(tx: crmd.Statements, news: ClaimNews, owners: dict[str, UUID]) -> list[tuple[Node, Node, Match]]:
    """Pairs that are one person, at least one of each pair being an address of which something new is claimed."""
    if not news.matchable:
        return []
    facets = facets_of(await claims_about(tx, news.matchable))
    keys = search_keys(facets.values())
    found = await tx.fetch(SQL.candidate_addresses, keys.patterns, keys.domains, keys.numbers, keys.companies)
    others = {row["address"] for row in found} - set(facets)
    twins = facets_of(await claims_about(tx, others)) if others else {}
    if twins:
        owners |= {row["address"]: row["contact_id"] for row in await tx.fetch(SQL.owners, sorted(twins))}
    pairs = [*combinations(sorted(facets.values(), key=_address), 2)]
    pairs += [(facet, twin) for facet in facets.values() for twin in twins.values()]
    matched = [
        (owners.get(left.address, left.address), owners.get(right.address, right.address), match)
        for left, right in pairs
        if (match := match_facets(left, right))
    ]
    return [*matched, *await _entered_matches(tx, facets, owners)]


def _address(facet: Facet) -> str:
    return facet.address


async def _entered_matches(
    tx: crmd.Statements, facets: Mapping[str, Facet], owners: Mapping[str, UUID]
) -> list[tuple[Node, Node, Match]]:
    """Matches with contacts that a person entered or imported, of which no claim may know."""
    keys = search_keys(facets.values())
    rows = await tx.fetch(SQL.candidate_people, keys.numbers, keys.domains)
    found: list[tuple[Node, Node, Match]] = []
    for row in rows:
        entered = facet_of_row(row["full_name"], row["domain"], row["company"], row["phones"])
        for facet in facets.values():
            match = match_facets(facet, entered)
            if match:
                found.append((owners.get(facet.address, facet.address), row["id"], match))
    return found


async def _standings(tx: crmd.Statements, contact_ids: list[UUID]) -> dict[UUID, Standing]:
    rows = await tx.fetch(SQL.contacts, sorted(contact_ids)) if contact_ids else []
    return {
        row["id"]: Standing(row["id"], row["source"], bool(row["edited_fields"]), row["created_at"]) for row in rows
    }


async def _carry_out(tx: crmd.Transaction, person: Person, tally: Tally) -> None:
    kept_id = person.kept_id
    is_created = kept_id is None
    if kept_id is None:
        kept_id = await _create(tx, person)
    left = [company for merge in person.merges for company in await merge_into(tx, kept_id, merge)]
    gained = await tx.fetch(SQL.insert_emails, kept_id, list(person.new_addresses)) if person.new_addresses else []
    changed = await derive_contact(tx, kept_id)
    await forget_companies(tx, left)
    if gained:
        changed = sorted({*changed, "emails"})
    tally.merged += len(person.merges)
    tally.created += is_created
    if is_created or changed:
        tally.updated += not is_created
        await _tell(tx, "contact.created" if is_created else "contact.updated", kept_id, changed)


async def _create(tx: crmd.Statements, person: Person) -> UUID:
    profile = profile_of(await claims_about(tx, person.new_addresses))
    made: UUID = await tx.fetchval(SQL.insert_contact, profile.name.full if profile.name else "")
    return made


async def _tell(tx: crmd.Transaction, event: str, contact_id: UUID, changed: list[str]) -> None:
    data: dict[str, object] = {"contactId": str(contact_id)}
    if event == "contact.updated":
        data["changed"] = changed
    await tx.emit(event, data, aggregate_type="contact", aggregate_id=contact_id)
