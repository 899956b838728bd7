"""Which handler answers a Gmail path, what it costs, which parameters and scopes it takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from crmd.testing.sandbox.google_errors import invalid
from crmd.testing.sandbox.mailbox import SYSTEM_LABELS, StoredMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from crmd.testing.sandbox.account import Account
    from crmd.testing.sandbox.exchange import Call, Reply
    from crmd.testing.sandbox.recording import RequestLog

# Accepted everywhere by Google's front end.
COMMON_PARAMETERS = frozenset({"alt", "fields", "prettyPrint", "quotaUser"})
PREFIX = re.compile(r"(?:/upload)?/gmail/v1/users/([^/]{1,320})/(.{1,2000})")


@dataclass(frozen=True, slots=True)
class Visit:
    """An authorised call on one account; `ids` are the variable parts of the path, `scopes` what the token allows."""

    call: Call
    account: Account
    ids: dict[str, str]
    scopes: frozenset[str]
    now_at: datetime
    log: RequestLog

    def json(self) -> dict[str, object]:
        """Give the JSON object that was sent.

        Raises:
            RefusedCall: It is not JSON by type or by content.
        """
        if self.call.media_type() != "application/json":
            self.log.violated(self.call, "Content-Type must be application/json")
            raise invalid("Invalid content type")
        try:
            return msgspec.json.decode(self.call.body, type=dict[str, object])
        except msgspec.DecodeError:
            self.log.violated(self.call, "the body is not a JSON object")
            raise invalid("Parse Error") from None

    def texts(self, sent: dict[str, object], name: str) -> list[str]:
        """Give a list of strings out of a sent object; absent is empty."""
        value = sent.get(name, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.log.violated(self.call, f"{name} must be a list of strings")
            raise invalid(f"Invalid value at '{name}'")
        return [str(item) for item in value]

    def known_labels(self, labels: list[str]) -> list[str]:
        """Give the labels back when every one exists."""
        known = known_label_ids(self.account)
        unknown = next((label for label in labels if label not in known), None)
        if unknown is not None:
            raise invalid(f"Invalid label: {unknown[:80]}")
        return labels


@dataclass(frozen=True, slots=True)
class Route:
    """One method of the API; `template` has `{name}` for variable parts, `cost` is its name in the quota table."""

    verb: str
    template: str
    cost: str
    scopes: frozenset[str]
    answer: Callable[[Visit], Reply]
    parameters: frozenset[str] = frozenset()

    def match(self, verb: str, rest: str) -> dict[str, str] | None:
        """Give the variable parts when this route answers the path, else None."""
        if verb != self.verb:
            return None
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]{1,400})", self.template)
        found = re.fullmatch(pattern, rest)
        return found.groupdict() if found else None


def find_route(routes: Iterable[Route], verb: str, rest: str) -> tuple[Route, dict[str, str]] | None:
    """Give the first route that answers, with the variable parts of the path."""
    for route in routes:
        ids = route.match(verb, rest)
        if ids is not None:
            return route, ids
    return None


def known_label_ids(account: Account) -> frozenset[str]:
    """Give every label id of an account."""
    return frozenset(SYSTEM_LABELS) | account.mailbox.user_labels.keys()


def stub(message: StoredMessage) -> dict[str, object]:
    """Give a message as lists show it."""
    return {"id": message.id, "threadId": message.thread_id}
