"""The error body of Google's APIs: its reason in either style, and a sentence for people."""

from __future__ import annotations

import msgspec

BODY_BYTES_MAX = 64 * 1024
_MESSAGE_CHARS_MAX = 200


class _Entry(msgspec.Struct):
    reason: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    status: str = ""
    errors: list[_Entry] = []
    details: list[_Entry] = []


class _Body(msgspec.Struct):
    error: _Error = msgspec.field(default_factory=_Error)


class Refusal(msgspec.Struct, frozen=True):
    """Why Google refused; `reason` is one word, empty when the body has none that can be read."""

    reason: str = ""
    message: str = ""

    def sentence(self, status: int) -> str:
        """For the record of a job."""
        why = self.message[:_MESSAGE_CHARS_MAX] or "no reason given"
        return f"Gmail answered {status}: {why}" + (f" ({self.reason})." if self.reason else ".")


def read_refusal(body: bytes) -> Refusal:
    """Read an error body: `errors[0].reason` first, then `details[].reason`, then `status`."""
    if len(body) > BODY_BYTES_MAX:
        return Refusal()
    try:
        error = msgspec.json.decode(body, type=_Body).error
    except (msgspec.DecodeError, RecursionError):  # an error page of something in between says nothing
        return Refusal()
    reasons = [entry.reason for entry in (*error.errors[:1], *error.details) if entry.reason]
    return Refusal((reasons or [error.status])[0][:100], error.message)
