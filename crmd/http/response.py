"""An answer, read to its end within its bounds."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar, overload

import msgspec

from crmd.errors import RetryJob

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")
DATE_LENGTH_MAX = 64


@dataclass(frozen=True, slots=True)
class Response:
    """Status, headers (names in any case, first value wins) and the whole body.

    Args:
        status: HTTP status.
        headers: As received; look-ups ignore case.
        body: Decompressed; never longer than the policy allows.
        host: Who answered, for error texts; never a whole URL, which may hold secrets.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    host: str = ""

    @property
    def is_ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 - the range that HTTP calls successful

    @overload
    def json(self) -> Any: ...  # noqa: ANN401 - JSON has any shape until a type is asked for
    @overload
    def json(self, kind: type[T]) -> T: ...
    def json(self, kind: Any = Any) -> Any:
        """The body read as JSON, as `kind` when one is given.

        Raises:
            RetryJob: The body is no JSON of that shape: cut off, or an error page of something in between.
        """
        try:
            return msgspec.json.decode(self.body, type=kind)
        except (msgspec.DecodeError, msgspec.ValidationError, RecursionError) as error:
            # A decode error quotes positions and types, never the data itself.
            raise RetryJob(f"{self.host} answered {self.status} with unusable JSON: {error}") from None


def served_at(headers: Mapping[str, str]) -> datetime:
    """When the server says it answered; our own clock when it does not say.

    A server's absolute times (Retry-After as a date, "retry after 10:00:00Z") are only right against its own clock.
    """
    text = headers.get("Date", "")
    try:
        instant = parsedate_to_datetime(text[:DATE_LENGTH_MAX])
    except (ValueError, TypeError, IndexError, OverflowError):  # no date, or none that means anything
        return datetime.now(UTC)
    return instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC)
