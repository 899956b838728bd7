"""Checks what a request brings against the types of its route; a problem names the place of what does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin
from uuid import UUID

import msgspec

from crmd.api.problem import Problem, invalid, not_found, unfit

if TYPE_CHECKING:
    from aiohttp import web

    from crmd.api.identity import Identity
    from crmd.api.route import Route

BODY_BYTES_MAX = 1024 * 1024
DEPTH_MAX = 32
# Beyond it neither JavaScript nor JSON's readers agree on what a number is.
NUMBER_MAX = 2**53 - 1


def workspace_of(identity: Identity, text: str) -> UUID:
    """The workspace in the address, if the caller may see it.

    Raises:
        Problem: 404: it is another's, or no id.
    """
    try:
        workspace_id = UUID(text)
    except ValueError:
        raise not_found("workspace") from None
    if identity.workspace_id not in {None, workspace_id}:
        raise not_found("workspace")
    return workspace_id


def uuid_in(path: str, what: str) -> UUID:
    """An id in the address.

    Raises:
        Problem: 404: it is no id, so there is nothing of that id.
    """
    try:
        return UUID(path)
    except ValueError:
        raise not_found(what) from None


def query_of(request: web.Request, kind: type[msgspec.Struct], *, takes_more: bool = False) -> msgspec.Struct:
    """What stands behind the question mark; a field that is a list may be named again and again.

    Args:
        request: Of aiohttp.
        kind: What may stand there.
        takes_more: What else stands there does not matter.

    Raises:
        Problem: 422.
    """
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    given: dict[str, Any] = {}
    for name in request.query:
        if name not in fields:
            if takes_more:
                continue
            known = ", ".join(fields) or "none"
            raise invalid(f"query.{name}", "There is no such parameter.", f"There are: {known}.")
        values = request.query.getall(name)
        if any("\x00" in value for value in values):
            raise invalid(f"query.{name}", "It holds a NUL character.")
        is_list = _is_tuple(fields[name].type)
        if not is_list and len(values) > 1:
            raise invalid(f"query.{name}", "It is given more than once.")
        given[name] = values if is_list else values[0]
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise unfit(error, "query") from None


def _is_tuple(kind: Any) -> bool:  # noqa: ANN401 - a type, perhaps with constraints
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_origin(kind) is tuple


async def body_of(request: web.Request, kind: type[msgspec.Struct]) -> tuple[msgspec.Struct, bytes]:
    """The body, decoded and raw.

    Raises:
        Problem: 400, 413, 415 or 422.
    """
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "unsupported-type", "Compressed bodies are not taken.", hint="Send it as it is.")
    raw = await _bounded(request)
    if not raw:
        raw = b"{}" if not any(field.required for field in msgspec.structs.fields(kind)) else raw
    elif request.content_type != "application/json":
        raise Problem(415, "unsupported-type", "The body is not JSON.", hint="Send `Content-Type: application/json`.")
    try:
        value = msgspec.json.decode(raw)
        check_value(value)
        return msgspec.json.decode(raw, type=kind), raw
    except msgspec.ValidationError as error:
        raise unfit(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Problem(400, "bad-request", f"The body is not JSON: {error}.") from None
    except RecursionError:
        raise invalid("$", f"It is nested deeper than {DEPTH_MAX} levels.") from None


def check_value(value: Any, path: str = "$", depth: int = 0) -> None:  # noqa: ANN401 - any JSON value
    """Only what PostgreSQL can keep, and everybody reads in one way.

    Raises:
        Problem: 422, with the place.
    """
    if depth > DEPTH_MAX:
        raise invalid(path, f"It is nested deeper than {DEPTH_MAX} levels.")
    match value:
        case bool() | None:
            return
        case int() if abs(value) > NUMBER_MAX:
            raise invalid(path, "The number is beyond 2^53.", "Send it as text.")
        case float() if value in (float("inf"), float("-inf")) or abs(value) > 1e300:  # noqa: PLR2004 - see NUMBER_MAX
            raise invalid(path, "The number is too large.", "Send it as text.")
        case str():
            check_text(value, path)
        case list():
            for place, item in enumerate(value):
                check_value(item, f"{path}[{place}]", depth + 1)
        case dict():
            for name, item in value.items():
                check_text(name, path)
                check_value(item, f"{path}.{name}", depth + 1)
        case _:
            return


def check_text(text: str, path: str) -> None:
    """Without NUL and lone surrogates.

    Raises:
        Problem: 422, with the place.
    """
    if "\x00" in text:
        raise invalid(path, "It holds a NUL character.")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise invalid(path, "It holds half of a surrogate pair.") from None


async def _bounded(request: web.Request) -> bytes:
    too_large = Problem(413, "too-large", f"The body is larger than {BODY_BYTES_MAX:,} bytes.")
    if (request.content_length or 0) > BODY_BYTES_MAX:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def checked_path(route: Route, request: web.Request) -> dict[str, str]:
    """The parameters in the address.

    Raises:
        Problem: 404: one of them holds what nothing is named with.
    """
    path = dict(request.match_info)
    if any("\x00" in text or len(text) > 500 for text in path.values()):  # noqa: PLR2004 - no name is that long
        raise not_found(route.tag)
    return path
