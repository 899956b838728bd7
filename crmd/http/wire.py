"""One attempt: send a request, read the answer to its end, and turn faults into plain values.

The HTTP library's exceptions are read here and dropped, since their texts and frames can hold URLs and headers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp

from crmd.errors import FailJob
from crmd.http.response import Response
from crmd.http.retry import Unanswered

if TYPE_CHECKING:
    from crmd.http.request import Request

CHUNK_BYTES = 64 * 1024


async def send(session: aiohttp.ClientSession, request: Request, *, body_bytes_max: int) -> Response | Unanswered:
    """Send once. Redirects are answers like any other.

    Raises:
        FailJob: The request cannot be sent, or the answer is too large.
        AddressRefused: The guard refused the address.
    """
    host = request.host
    try:
        async with session.request(
            request.method,
            request.url,
            params=request.params,
            data=request.body,
            headers=request.headers,
            allow_redirects=False,
        ) as answer:
            return Response(answer.status, answer.headers, await _body(answer, body_bytes_max, host), host)
    except (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError) as error:
        raise FailJob(f"The request to {host} cannot be sent: {type(error).__name__}.") from None
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        return Unanswered(f"{host} cannot be reached ({_kind(error)})", is_sent=False)
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Unanswered(f"{host} did not answer ({_kind(error)})", is_sent=True)
    except ValueError as error:
        raise FailJob(f"The request to {host} cannot be sent: {type(error).__name__}.") from None


async def _body(answer: aiohttp.ClientResponse, bytes_max: int, host: str) -> bytes:
    """The body, decompressed piece by piece, so that a bomb is noticed before it is unpacked."""
    pieces, total = [], answer.content_length or 0
    if total <= bytes_max:
        total = 0
        async for piece in answer.content.iter_chunked(CHUNK_BYTES):
            total += len(piece)
            if total > bytes_max:
                break
            pieces.append(piece)
    if total > bytes_max:
        answer.close()
        raise FailJob(f"{host} answered with more than {bytes_max} bytes.")
    return b"".join(pieces)


def _kind(error: BaseException) -> str:
    """What went wrong without its text: the class, and the system's words for it when there are any."""
    cause: Any = getattr(error, "os_error", error)
    words = getattr(cause, "strerror", None)
    return f"{type(error).__name__}: {words}" if words else type(error).__name__
