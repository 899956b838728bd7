"""One mailbox while a job works on it: its connection, how it is fetched and how it is read."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from crmd_gmail.fetching import Fetcher
from crmd_gmail.reading import Reader, reader_of

if TYPE_CHECKING:
    from uuid import UUID

    import crmd
    from crmd_gmail.settings import GmailSettings


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A connected mailbox.

    Attributes:
        versions: The least version that a message must have, where the history has told of a newer one than was
            fetched: what is fetched after that is the state after the change, whatever number it carries.
    """

    client: crmd.ConnectionClient
    settings: GmailSettings
    raw: Fetcher
    minimal: Fetcher
    reader: Reader
    versions: dict[str, int] = field(default_factory=dict)

    @property
    def connection_id(self) -> UUID:
        """Of its connection."""
        return self.client.id


async def open_mailbox(ctx: crmd.Context, connection_id: UUID) -> Mailbox:
    """The mailbox of a connection.

    Raises:
        FailJob: The workspace has no such connection.
        GateClosed: It needs a new consent.
    """
    client = await ctx.connection(connection_id)
    settings: GmailSettings = ctx.settings
    raw, minimal = Fetcher(client, settings), Fetcher(client, settings, "minimal")
    return Mailbox(client, settings, raw, minimal, reader_of(client.account, settings))
