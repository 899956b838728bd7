"""How a job type is tried by `crmd plugin check`: a payload, and what the job finds when it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    import msgspec

    from crmd.context import Statements

Answer: TypeAlias = Callable[[str, str, Mapping[str, str], bytes], object]
"""A fake provider: method, path, query and body to an answer, as a `crmd.Response` or as what its JSON says."""


class Scene(Protocol):
    """The world of one try, fresh each time."""

    @property
    def workspace_id(self) -> UUID:
        """The workspace that the job belongs to."""

    def transaction(self) -> AbstractAsyncContextManager[Statements]:
        """A transaction under row-level security for the workspace, as `ctx.transaction()` has it."""

    async def connect(self, provider: str, account: str, answer: Answer) -> UUID:
        """Connect an account at a fake of a provider that a plugin declares; answers the connection's id.

        Tokens are the scene's matter; `answer` is asked for everything else.
        """

    async def gmail(self, *messages: bytes, account: str = "jana@nordwerk.example") -> Any:  # noqa: ANN401 - crmd.testing's own
        """Connect a mailbox of the Gmail sandbox that holds these messages; it has `connection_id` and `mailbox`."""

    def host(self, name: str, answer: Answer) -> None:
        """Let a host of the outside answer, which the plugin may ask by `ctx.http`; any other is refused and told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One way to run a job type.

    Attributes:
        job_type: Its name.
        payload: Wire names and values, or a payload of its type.
        seed: Writes what the job finds, and may answer the payload in place of `payload`.
        settings: Of the plugin, by the names of its settings' fields.
        has_workspace: Whether the job belongs to the scene's workspace, or to none, as one of a schedule.
    """

    job_type: str
    payload: msgspec.Struct | Mapping[str, object] = field(default_factory=dict)
    seed: Callable[[Scene], Awaitable[Mapping[str, object] | None]] | None = None
    settings: Mapping[str, object] = field(default_factory=dict)
    has_workspace: bool = True
