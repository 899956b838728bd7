"""Gmail's search language, as far as a sync uses it: parsed to a claim about a message."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from crmd.testing.sandbox.mailbox import StoredMessage

QUERY_CHARACTERS_MAX = 8_000
OPENINGS_MAX = 100
TOKEN = re.compile(r'-|[{}()]|(?:[a-z_]{1,20}:)?(?:"[^"\n]{0,2000}"|[^\s{}()"]{1,2000})', re.IGNORECASE)
# Gmail reads dates in Pacific time; standard time the whole year keeps the sandbox free of a time zone database.
PACIFIC = timezone(timedelta(hours=-8))
DAYS = {"d": 1, "m": 30, "y": 365}
PLACES = {"inbox": "INBOX", "sent": "SENT", "draft": "DRAFT", "drafts": "DRAFT", "spam": "SPAM", "trash": "TRASH"}
STATES = {"unread": "UNREAD", "starred": "STARRED", "important": "IMPORTANT"}

Claim = Callable[[StoredMessage], bool]


class WrongQueryError(ValueError):
    """A query with a part that the sandbox does not know; Gmail would take it as words."""


@dataclass(frozen=True, slots=True)
class Search:
    """A parsed query, and whether it asks for spam and trash by itself."""

    fits: Claim
    reaches_hidden: bool


@dataclass(frozen=True, slots=True)
class Words:
    """What a term may refer to besides the message: the present instant and the user labels by id."""

    now_at: datetime
    user_labels: dict[str, str]


def parse_search(query: str, words: Words) -> Search:
    """Parse a query.

    Raises:
        WrongQueryError: A term uses an operator the sandbox does not speak, or a value that does not fit it.
    """
    tokens = TOKEN.findall(query[:QUERY_CHARACTERS_MAX])
    if sum(token in {"-", "{", "("} for token in tokens) > OPENINGS_MAX:
        raise WrongQueryError("too many brackets or negations")
    claim, rest = _all_of(tokens, words, closing="")
    if rest:
        raise WrongQueryError(f"unbalanced {rest[0]!r}")
    lowered = query.lower()
    return Search(claim, any(f"in:{place}" in lowered for place in ("anywhere", "spam", "trash")))


def _all_of(tokens: list[str], words: Words, closing: str) -> tuple[Claim, list[str]]:
    """Read terms up to the closing bracket; neighbours are joined by AND, `OR` binds tighter, as in Gmail."""
    groups: list[list[Claim]] = []
    joins_last = False
    while tokens and tokens[0] not in {"}", ")"}:
        if tokens[0] == "OR":
            joins_last, tokens = bool(groups), tokens[1:]
            continue
        claim, tokens = _one(tokens, words)
        if joins_last:
            groups[-1].append(claim)
        else:
            groups.append([claim])
        joins_last = False
    if closing:
        if tokens[:1] != [closing]:
            raise WrongQueryError(f"missing {closing!r}")
        tokens = tokens[1:]
    joined = [_any(claims) for claims in groups]
    return (_any(joined) if closing == "}" else _every(joined)), tokens


def _one(tokens: list[str], words: Words) -> tuple[Claim, list[str]]:
    head, rest = tokens[0], tokens[1:]
    if head == "-":
        if not rest:
            raise WrongQueryError("nothing after '-'")
        claim, rest = _one(rest, words)
        return _not(claim), rest
    if head in "{(":
        return _all_of(rest, words, closing="}" if head == "{" else ")")
    if head.startswith("-"):
        return _not(_term(head[1:], words)), rest
    return _term(head, words), rest


def _term(token: str, words: Words) -> Claim:
    name, colon, value = token.partition(":")
    value = value.strip('"')
    if not colon or token.startswith('"'):
        return _contains(token.strip('"'))
    match name.lower():
        case "after" | "before" | "newer_than" | "older_than" | "newer" | "older":
            return _dated(name.lower(), value, words.now_at)
        case "in" | "is" | "label" | "category":
            return _labelled(name.lower(), value.lower(), words.user_labels)
        case "from" | "to" | "cc" | "bcc" | "subject":
            return _in_header(name.lower(), value.lower())
        case "has" if value.lower() == "attachment":
            return lambda message: any(part.get_filename() for part in message.original.parsed().walk())
        case "rfc822msgid":
            wanted = value.strip("<>")
            return lambda message: message.original.message_id == wanted
        case _:
            raise WrongQueryError(f"unknown operator {token[:60]!r}")


def _dated(name: str, value: str, now_at: datetime) -> Claim:
    edge_ms = int(_edge(name, value, now_at).timestamp() * 1000)
    if name in {"after", "newer", "newer_than"}:
        return lambda message: message.internal_ms >= edge_ms
    return lambda message: message.internal_ms < edge_ms


def _edge(name: str, value: str, now_at: datetime) -> datetime:
    if name.endswith("_than"):
        if not re.fullmatch(r"\d{1,4}[dmy]", value):
            raise WrongQueryError(f"{name} takes a number and d, m or y, not {value[:40]!r}")
        return now_at - timedelta(days=int(value[:-1]) * DAYS[value[-1]])
    if re.fullmatch(r"\d{9,11}", value):
        return datetime.fromtimestamp(int(value), UTC)
    parts = re.fullmatch(r"(\d{4})[/-](\d{1,2})[/-](\d{1,2})", value)
    try:
        year, month, day = (int(part) for part in parts.groups()) if parts else (0, 0, 0)
        return datetime(year, month, day, tzinfo=PACIFIC)
    except ValueError:
        raise WrongQueryError(f"{name} takes epoch seconds or YYYY/MM/DD, not {value[:40]!r}") from None


def _labelled(name: str, value: str, user_labels: dict[str, str]) -> Claim:
    if (name, value) == ("in", "anywhere"):
        return lambda _message: True
    if (name, value) == ("is", "read"):
        return lambda message: "UNREAD" not in message.labels
    if name == "is" and value not in STATES:
        raise WrongQueryError(f"unknown state is:{value[:40]}")
    if name == "category":
        wanted = {f"CATEGORY_{'PERSONAL' if value == 'primary' else value.upper()}"}
    else:
        plain = {PLACES.get(value, value.upper()), STATES.get(value, value.upper())}
        wanted = plain | {key for key, label in user_labels.items() if _dashed(label) == _dashed(value)}
    return lambda message: bool(wanted & message.labels)


def _dashed(label: str) -> str:
    return label.lower().replace(" ", "-").replace("/", "-")


def _in_header(name: str, value: str) -> Claim:
    return lambda message: value in message.original.header(name).lower()


def _contains(text: str) -> Claim:
    wanted = text.lower()

    def found(message: StoredMessage) -> bool:
        heads = " ".join(message.original.header(name) for name in ("subject", "from", "to", "cc"))
        return wanted in heads.lower() or wanted in message.original.raw.decode("utf-8", "replace").lower()

    return found


def _not(claim: Claim) -> Claim:
    return lambda message: not claim(message)


def _any(claims: list[Claim]) -> Claim:
    return lambda message: any(claim(message) for claim in claims)


def _every(claims: list[Claim]) -> Claim:
    return lambda message: all(claim(message) for claim in claims)
