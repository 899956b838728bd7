"""The plan: which contacts are created, kept and merged, decided from owners and matches alone."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from crmd_contacts.match import Match

Node = UUID | str
"""A contact by its id, or an address that belongs to none yet."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides which of several rows of one person is kept."""

    contact_id: UUID
    source: str
    is_edited: bool
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Merge:
    """A row found to be the same person as the row kept, and why."""

    duplicate_id: UUID
    match: Match


@dataclass(frozen=True, slots=True)
class Person:
    """One person after the plan: the row kept (None: create one), its duplicates, and addresses it gains."""

    kept_id: UUID | None
    merges: tuple[Merge, ...]
    new_addresses: tuple[str, ...]


def group(nodes: Iterable[Node], matches: Iterable[tuple[Node, Node, Match]]) -> list[tuple[list[Node], list[Match]]]:
    """Nodes that are one person, with the matches that say so; transitive, and alike for every order of the input."""
    parent: dict[Node, Node] = {node: node for node in nodes}

    def root(node: Node) -> Node:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    found = list(matches)
    for left, right, _ in found:
        parent[root(left)] = root(right)
    members: dict[Node, list[Node]] = defaultdict(list)
    for node in list(parent):
        members[root(node)].append(node)
    reasons: dict[Node, list[Match]] = defaultdict(list)
    for left, _, match in found:
        reasons[root(left)].append(match)
    return [(sorted(nodes, key=str), reasons[key]) for key, nodes in members.items()]


def plan_people(groups: Iterable[tuple[list[Node], list[Match]]], standings: Mapping[UUID, Standing]) -> list[Person]:
    """One person per group. What somebody entered or edited is kept before what mail made, then the oldest row."""
    return [_person(nodes, matches, standings) for nodes, matches in groups]


def _person(nodes: list[Node], matches: list[Match], standings: Mapping[UUID, Standing]) -> Person:
    rows = [standings[node] for node in nodes if isinstance(node, UUID) and node in standings]
    rows.sort(key=_preference)
    addresses = tuple(node for node in nodes if isinstance(node, str))
    if not rows:
        return Person(None, (), addresses)
    best = max(matches, key=lambda match: (match.score, match.reason), default=None)
    merges = tuple(Merge(row.contact_id, best) for row in rows[1:]) if best else ()
    return Person(rows[0].contact_id, merges, addresses)


def _preference(standing: Standing) -> tuple[bool, bool, datetime, str]:
    return (standing.source == "mail", not standing.is_edited, standing.created_at, str(standing.contact_id))
