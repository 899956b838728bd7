"""A POST that is to take place once: the `send` of an effect whose receiver is an HTTP server."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from crmd.errors import EffectRefused
from crmd.http.retry import OutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from crmd.effecting import Effect, Send
    from crmd.http.response import Response

IDEMPOTENCY_KEY = "Idempotency-Key"
BODY_BYTES_KEPT = 16 * 1024
# Answers of the server's own, before it did anything: not implemented, and a version of HTTP that it does not speak.
_NEVER_DONE = frozenset({HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.HTTP_VERSION_NOT_SUPPORTED})
# What the client's own request timed out on, and what a server says that is still at work on this key.
_PERHAPS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY})


class Requesting(Protocol):
    """The guarded client, or that of a connection."""

    @property
    def request(self) -> Callable[..., Awaitable[Response]]:
        """Send a request and read its answer; each takes parts of its own."""


def posting(client: Requesting, url: str, **parts: Any) -> Send:  # noqa: ANN401 - the parts of either client
    """A POST with the effect's id as its `Idempotency-Key`; the receipt is the answer's status and body.

    A 2xx is a receipt, a refusal (4xx) is for good, and whatever else is answered leaves the effect unknown.

    Args:
        client: `ctx.http` or a connection.
        url: As the client takes it.
        parts: Further parts of the request, as `json` and `headers`.
    """

    async def send(effect: Effect) -> object:
        headers = {**(parts.get("headers") or {}), IDEMPOTENCY_KEY: effect.idempotency_key}
        return receipt_of(await client.request("POST", url, **{**parts, "headers": headers}))

    return send


def receipt_of(response: Response) -> dict[str, Any]:
    """What a server's answer to a POST proves.

    Raises:
        EffectRefused: It was surely not accepted.
        OutcomeUnknown: It may have been: a fault of the server or of something in between.
    """
    status = response.status
    if response.is_ok:
        return {"status": status, "body": _body(response)}
    is_refusal = HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _PERHAPS
    if is_refusal or status in _NEVER_DONE:
        raise EffectRefused(f"{response.host} refused it with {status}")
    raise OutcomeUnknown(f"{response.host} answered {status}")


def _body(response: Response) -> Any:  # noqa: ANN401 - JSON of any shape
    """The JSON of a receipt; None when there is none, or too much to keep."""
    if not 0 < len(response.body) <= BODY_BYTES_KEPT:
        return None
    try:
        return msgspec.json.decode(response.body)
    except (msgspec.DecodeError, RecursionError):
        return None
