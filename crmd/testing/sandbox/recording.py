"""What a fake provider was asked, without secrets, and what was wrong with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from crmd.testing.sandbox.exchange import Call

SECRET_PARAMETERS = frozenset(
    {"access_token", "client_secret", "code", "code_verifier", "device_code", "key", "refresh_token", "state", "token"}
)


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One request, or one part of a batch, and the status it was answered with; 0 when the connection was cut."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    status: int
    in_batch: bool


class RequestLog:
    """All requests in the order they were answered, and every violation of the protocol in plain words."""

    def __init__(self) -> None:
        self.requests: list[RequestRecord] = []
        self.violations: list[str] = []

    def answered(self, call: Call, status: int) -> None:
        """Keep one answered call; values of secret parameters are not kept."""
        query = tuple((name, "..." if name in SECRET_PARAMETERS else value) for name, value in call.query)
        self.requests.append(RequestRecord(call.method, call.path, query, status, call.in_batch))

    def violated(self, call: Call, what: str) -> None:
        """Keep that a client sent what the provider does not accept."""
        self.violations.append(f"{call.method} {call.path}: {what}")

    def paths(self) -> list[str]:
        """Give method and path of every request, batch parts included."""
        return [f"{record.method} {record.path}" for record in self.requests]
