"""What goes wrong with a request, told as `application/problem+json` (RFC 9457)."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from crmd.allowed import worded

_PLACE = re.compile(r"^(?P<what>.*?)(?: - at `(?P<path>[^`]*)`)?$", re.DOTALL)
_NULL_PATH = "$"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that does not fit."""

    path: Annotated[str, Meta(description="where, as a JSON path: `$.payload.limit`, `query.limit`, `header.name`")]
    message: str


class Body(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem as it is sent."""

    type: Annotated[str, Meta(description="names the kind of problem; stable")]
    title: str
    status: int
    detail: str = ""
    hint: str = ""
    errors: tuple[Fault, ...] = ()


class Problem(Exception):  # noqa: N818 - the name that RFC 9457 gives it
    """Ends a request with an answer that says what is wrong with it.

    Args:
        status: Of HTTP.
        kind: A word that never changes, for programs.
        detail: One sentence, for people.
        hint: The next step; empty when the sentence says it.
        errors: Each field that does not fit.
        headers: To be sent along.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        hint: str = "",
        errors: tuple[Fault, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = headers or {}
        self.body = Body(
            type=f"urn:crmd:problem:{kind}",
            title=TITLES[kind],
            status=status,
            detail=detail,
            hint=hint,
            errors=errors,
        )


TITLES = {
    "bad-request": "The request cannot be read",
    "unauthenticated": "Nobody known is asking",
    "forbidden": "That is not allowed",
    "not-found": "There is no such thing",
    "method-not-allowed": "That cannot be done here",
    "conflict": "It stands otherwise",
    "gone": "It is there no more",
    "too-large": "That is too much",
    "unsupported-type": "This is not JSON",
    "invalid": "Something in it does not fit",
    "too-many": "Not so fast",
    "unavailable": "The database does not answer",
    "internal": "Something broke",
}
"""Each kind of problem and its title."""


def not_found(what: str) -> Problem:
    """Nothing of that id for whoever asks: also what another tenant's is told as."""
    return Problem(404, "not-found", f"There is no {what} of that id here.")


def invalid(path: str, message: str, hint: str = "") -> Problem:
    """One field does not fit."""
    return Problem(422, "invalid", f"{message} ({path})", hint=hint, errors=(Fault(path=path, message=message),))


def unfit(error: msgspec.ValidationError, root: str = "$") -> Problem:
    """What msgspec finds wrong, with the path of the bad field.

    Args:
        error: Its message ends with the path, unless it is the whole that does not fit.
        root: What the path is relative to: `$`, `$.payload` or `query`.
    """
    found = _PLACE.match(str(error))
    assert found is not None  # noqa: S101 - it matches any text
    path = (found["path"] or _NULL_PATH).removeprefix(_NULL_PATH)
    return invalid(f"{root}{path}", worded(found["what"]))
