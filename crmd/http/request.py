"""A request as it is sent, each time the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias, TypedDict
from urllib.parse import urlsplit

import msgspec

from crmd.http.verdict import Classify, classify

if TYPE_CHECKING:
    from crmd.http.gate import Gate

Params: TypeAlias = Mapping[str, str] | Sequence[tuple[str, str]]

IDEMPOTENT_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "PUT", "DELETE"})
"""Methods whose repetition changes nothing more (RFC 9110, 9.2.2)."""


class Parts(TypedDict, total=False):
    """What a request may have besides its method and URL.

    Keys:
        params: Added to the query.
        json: Sent as a JSON body.
        data: A body as it is, or a form's fields.
        headers: Further headers.
        classify: The provider's reading of answers.
        gate: What it went through, as `ctx.limit` gives it: pauses, failures and answers are shared with all daemons.
        is_idempotent: Whether it may be sent twice; by default as the method says.
        deadline_seconds: For the whole call; by default as the policy says.
    """

    params: Params | None
    json: object
    data: bytes | Mapping[str, str] | None
    headers: Mapping[str, str] | None
    classify: Classify
    gate: Gate | None
    is_idempotent: bool | None
    deadline_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One request. Its repr shows nothing that may be secret."""

    method: str
    url: str = field(repr=False)
    params: Params | None = field(default=None, repr=False)
    body: bytes | Mapping[str, str] | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    classify: Classify = classify
    gate: Gate | None = None
    is_repeatable: bool = False

    @property
    def host(self) -> str:
        """Who is asked, for logs and error texts."""
        try:
            return urlsplit(self.url).hostname or "the server"
        except ValueError:  # a URL that cannot be read is refused when it is sent
            return "the server"


def built(method: str, url: str, parts: Parts) -> Request:
    """The request that a call describes."""
    headers = dict(parts.get("headers") or {})
    body = parts.get("data")
    if parts.get("json") is not None:
        body = msgspec.json.encode(parts["json"])
        headers.setdefault("Content-Type", "application/json")
    is_idempotent = parts.get("is_idempotent")
    return Request(
        method=method.upper(),
        url=url,
        params=parts.get("params"),
        body=body,
        headers=headers,
        classify=parts.get("classify", classify),
        gate=parts.get("gate"),
        is_repeatable=method.upper() in IDEMPOTENT_METHODS if is_idempotent is None else is_idempotent,
    )
