"""Error answers worded as Google's APIs word them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.testing.sandbox.exchange import RefusedCall, Reply, json_reply

if TYPE_CHECKING:
    from datetime import datetime

    from crmd.testing.sandbox.faults import Fault

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
USAGE_REASONS = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "dailyLimitExceeded", "quotaExceeded", "accessNotConfigured"}
)


def google_error(status: int, reason: str, message: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """Give the JSON error body with code, message, status and one entry in `errors`."""
    domain = "usageLimits" if reason in USAGE_REASONS else "global"
    entry = {"domain": domain, "reason": reason, "message": message}
    error = {"code": status, "message": message, "errors": [entry], "status": STATUS_NAMES.get(status, "UNKNOWN")}
    return json_reply({"error": error}, status, headers)


def fault_reply(fault: Fault) -> Reply:
    """Word a planned fault."""
    headers = () if fault.retry_after is None else (("Retry-After", fault.retry_after),)
    return google_error(fault.status or 500, fault.reason or "backendError", fault.message or "Backend Error", headers)


def not_found() -> RefusedCall:
    """Say that an id is unknown or gone."""
    return RefusedCall(google_error(404, "notFound", "Requested entity was not found."))


def invalid(message: str) -> RefusedCall:
    """Say that an argument does not fit."""
    return RefusedCall(google_error(400, "invalidArgument", message))


def unauthenticated() -> RefusedCall:
    """Say that the access token is missing, unknown or expired."""
    reply = google_error(401, "authError", "Invalid Credentials", (("WWW-Authenticate", 'Bearer realm="sandbox"'),))
    return RefusedCall(reply)


def forbidden(reason: str, message: str) -> RefusedCall:
    """Say that the grant or the account does not allow it."""
    return RefusedCall(google_error(403, reason, message))


def overdrawn(status: int, retry_at: datetime) -> RefusedCall:
    """Say that the user's quota of this minute is used up, and until when."""
    until = retry_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    message = f"User-rate limit exceeded.  Retry after {until}"
    reason = "rateLimitExceeded" if status == 429 else "userRateLimitExceeded"  # noqa: PLR2004 - the HTTP status
    return RefusedCall(google_error(status, reason, message))
