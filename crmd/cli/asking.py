"""What commands ask of their arguments: a job type that exists, a payload that is JSON, the id of a workspace."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID, uuid5

import msgspec

from crmd.errors import UsageError
from crmd.store.jobs import NewJobs, check_size

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterable, Sequence

    from crmd.job_type import JobType
    from crmd.loaded import Loaded

_RowT = TypeVar("_RowT")
# Names of workspaces are hashed into this namespace (RFC 9562, version 5), so that a name always means the same id.
WORKSPACES = UUID("9f1c1b3e-6d3c-5c0e-8c1e-2f6f0d1a7b44")


def job_type_named(loaded: Loaded, name: str) -> JobType:
    """The job type of that name or alias.

    Raises:
        UsageError: No loaded plugin declares it.
    """
    found = loaded.job_types.get(name)
    if found is not None:
        return found
    broken = ", ".join(plugin.name for plugin in loaded.registry.broken)
    hint = "`crmd plugins` lists the job types."
    if broken:
        hint = f"It may belong to a plugin that cannot be used ({broken}): see `crmd plugins`."
    raise no_such("job type", name, loaded.job_types, hint)


def wanted_job(loaded: Loaded, arguments: Namespace) -> NewJobs:
    """The job that `run-once` and `enqueue` are asked for, checked before the database is even reached.

    Raises:
        UsageError: Its type, payload or one of the ids does not fit.
    """
    job_type = job_type_named(loaded, arguments.job_type)
    return NewJobs(
        type=job_type.name,
        payloads=[check_size(job_type.encode(payload_of(arguments.payload)))],
        workspace_id=workspace_of(arguments.workspace),
        user_id=uuid_of(arguments.user, "a user"),
        payload_version=job_type.version,
    )


def no_such(what: str, name: str, known: Iterable[str], hint: str) -> UsageError:
    """The error for a name that does not exist: it names the nearest one that does, or gives the hint."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return UsageError(f"There is no {what} {name!r}.", hint=f"Did you mean {near[0]}?" if near else hint)


def payload_of(text: str | None, what: str = "payload") -> Any:  # noqa: ANN401 - JSON of any shape, checked later
    """The payload given as JSON, as `@file` or as `-` for standard input; empty when none is given.

    Raises:
        UsageError: It cannot be read, or is not JSON.
    """
    if text is None:
        return {}
    content, place = _content(text)
    try:
        value = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UsageError(
            f"The {what}{place} is not JSON: {error}.", hint=f"""Write for instance --{what} '{{"limit": 5}}'."""
        ) from None
    if not isinstance(value, dict):
        raise UsageError(f"The {what}{place} is not a JSON object.", hint="It begins with { and ends with }.")
    return value


def _content(text: str) -> tuple[bytes, str]:
    if text == "-":
        return sys.stdin.buffer.read(), " from standard input"
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape"), ""
    path = Path(text[1:])
    try:
        return path.read_bytes(), f" in {path}"
    except OSError as error:
        raise UsageError(f"The payload file {path} cannot be read: {error.strerror}.") from None


def workspace_of(text: str | None) -> UUID | None:
    """The workspace's id; a name stands for the id that is made from it."""
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        return uuid5(WORKSPACES, text)


def uuid_of(text: str | None, what: str) -> UUID | None:
    """An id.

    Raises:
        UsageError: It is none.
    """
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        raise UsageError(f"{text!r} is no id of {what}.", hint="An id has 32 hexadecimal digits.") from None


def bounds_of(prefix: str, what: str) -> tuple[UUID, UUID]:
    """The first and the last id that begins so.

    Raises:
        UsageError: It is no beginning of an id.
    """
    digits = prefix.replace("-", "").lower()
    if not digits or len(digits) > 32 or not all(sign in "0123456789abcdef" for sign in digits):  # noqa: PLR2004 - digits of an id
        raise UsageError(f"{prefix!r} is no id of {what}, nor the beginning of one.", hint=f"See `crmd {what}s list`.")
    return UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f"))


def only_one(rows: Sequence[_RowT], prefix: str, what: str) -> _RowT:
    """The one thing whose id begins so.

    Raises:
        UsageError: There is none, or more than one.
    """
    if not rows:
        raise UsageError(f"There is no {what} {prefix}.", hint=f"See `crmd {what}s list`.")
    if len(rows) > 1:
        raise UsageError(f"More than one {what}'s id begins with {prefix}.", hint="Give more of it.")
    return rows[0]
