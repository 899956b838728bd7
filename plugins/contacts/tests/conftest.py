from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast
from uuid import UUID, uuid4

import asyncpg
import pytest
from crmd_contacts import ExtractContacts, extract_contacts
from crmd_contacts.mail import Mail, Party

if TYPE_CHECKING:
    from crmd_contacts import Extracted

    import crmd

    Pool = asyncpg.Pool[asyncpg.Record]

Corpus = Callable[[str], list[Path]]
Row = Mapping[str, Any]

START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


class MailFrom(Protocol):
    """Makes a message; people are written `Name <address>`."""

    def __call__(
        self,
        sender: str,
        text: str = "",
        *,
        to: Sequence[str] = (),
        day: int = 0,
        kind: str = "mail",
        subject: str = "",
    ) -> Mail:
        """The message, received `day` days after the start."""


@pytest.fixture(scope="session")
def mail_from() -> MailFrom:
    """Makes messages."""
    return _mail_from


def _mail_from(
    sender: str, text: str = "", *, to: Sequence[str] = (), day: int = 0, kind: str = "mail", subject: str = ""
) -> Mail:
    parties = [_party("from", sender), *(_party("to", each) for each in to)]
    return Mail(uuid4(), kind, START + timedelta(days=day), subject, text, tuple(parties))


def _party(role: str, text: str) -> Party:
    name, _, address = text.rpartition("<")
    return Party(role, name.strip(), address.rstrip(">"))


@dataclass(slots=True)
class Told:
    """A transaction that keeps the events emitted in it beside the connection it wraps."""

    connection: Any
    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    interactions: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the connection has
        return getattr(self.connection, name)

    async def emit(self, event_type: str, data: dict[str, object], **_: object) -> None:
        """Note the event."""
        self.events.append((event_type, data))

    async def emit_many(self, event_type: str, data: Sequence[dict[str, object]], **_: object) -> None:
        """Note what passed between us and contacts; apart, since every message that is read says so."""
        self.interactions += [(event_type, item) for item in data]


@dataclass(slots=True)
class Office:
    """A workspace with schemas crm and contacts; messages are stored in it and read by the job itself."""

    pool: Pool
    workspace_id: UUID = field(default_factory=uuid4)
    connection_id: UUID = field(default_factory=uuid4)
    events: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    interactions: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    @asynccontextmanager
    async def transaction(self, workspace_id: UUID | None = None) -> AsyncIterator[crmd.Transaction]:
        """A transaction as plugins get it: under row-level security for the workspace."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("SET LOCAL ROLE crmd_app")
            chosen = str(workspace_id or self.workspace_id)
            await connection.execute("SELECT set_config('crmd.workspace_id', $1, true)", chosen)
            told = Told(connection)
            yield cast("crmd.Transaction", told)
        self.events += told.events
        self.interactions += told.interactions

    async def connect(self, account: str) -> None:
        """Note that a mailbox is connected."""
        await self.pool.execute(
            "INSERT INTO crmd.connection (id, workspace_id, provider, account) VALUES ($1, $2, 'google', $3)",
            self.connection_id,
            self.workspace_id,
            account,
        )

    async def store(self, mail: Mail) -> UUID:
        """Store a message as a sync plugin leaves it behind."""
        async with self.transaction() as tx:
            thread_id = await tx.fetchval(
                "INSERT INTO crm.thread (workspace_id, connection_id, provider_thread_id)"
                " VALUES ($1, $2, $3) RETURNING id",
                self.workspace_id,
                self.connection_id,
                str(mail.message_id),
            )
            await tx.execute(
                "INSERT INTO crm.message (workspace_id, id, connection_id, provider_id, thread_id, kind, direction,"
                " subject, received_at, body_text) VALUES ($1, $2, $3, $4, $5, $6, 'inbound', $7, $8, $9)",
                self.workspace_id,
                mail.message_id,
                self.connection_id,
                str(mail.message_id),
                thread_id,
                mail.kind,
                mail.subject,
                mail.received_at,
                mail.text,
            )
            for position, party in enumerate(mail.parties):
                await tx.execute(
                    "INSERT INTO crm.message_address VALUES ($1, $2, $3, $4, $5, $6)",
                    self.workspace_id,
                    mail.message_id,
                    party.role,
                    position,
                    party.name,
                    party.address.lower(),
                )
        return mail.message_id

    async def extract(self, message_id: UUID, *, force: bool = False) -> Extracted:
        """Run the job for one message."""
        context = cast("crmd.Context", self)
        return cast("Extracted", await extract_contacts(context, ExtractContacts(email_id=message_id, force=force)))

    async def read(self, *mails: Mail) -> None:
        """Store messages and run the job for each, in the order given."""
        for mail in mails:
            await self.extract(await self.store(mail))

    async def fetch(self, query: str, *args: object) -> list[Row]:
        """Rows of the workspace."""
        async with self.transaction() as tx:
            return await tx.fetch(query, *args)

    async def people(self) -> list[dict[str, Any]]:
        """Everybody, with addresses and numbers, without ids and times: what must not depend on order."""
        rows = await self.fetch(
            "SELECT c.full_name, c.title, o.name AS company, o.domain,"
            " ARRAY (SELECT e.address || CASE WHEN e.is_primary THEN ' *' ELSE '' END FROM crm.contact_email e"
            "        WHERE e.contact_id = c.id ORDER BY e.address) AS addresses,"
            " ARRAY (SELECT p.number || ' ' || p.kind FROM crm.contact_phone p"
            "        WHERE p.contact_id = c.id ORDER BY p.number) AS phones,"
            " ARRAY (SELECT l.url FROM crm.contact_link l WHERE l.contact_id = c.id ORDER BY l.url) AS links"
            " FROM crm.contact c LEFT JOIN crm.company o ON o.workspace_id = c.workspace_id AND o.id = c.company_id"
            " WHERE c.merged_into IS NULL"
        )
        return sorted((dict(row) for row in rows), key=lambda row: (row["full_name"], row["addresses"]))

    async def versions(self) -> list[str]:
        """The physical version of every row of both schemas: any write changes it."""
        tables = await self.fetch(
            "SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_class c JOIN pg_namespace n"
            " ON n.oid = c.relnamespace WHERE n.nspname IN ('crm', 'contacts') AND c.relkind = 'r' ORDER BY 1"
        )
        found: list[str] = []
        for table in tables:
            rows = await self.fetch(f"SELECT xmin::text || ctid::text AS version FROM {table['name']}")
            found += sorted(f"{table['name']} {row['version']}" for row in rows)
        return found


@pytest.fixture
async def office(crmd_config: Any) -> AsyncIterator[Office]:  # noqa: ANN401 - its type is behind the front door
    """An empty workspace with the tables of crm and contacts; the test's module names the two plugins by its mark."""
    pool = await asyncpg.create_pool(crmd_config.database.dsn.reveal(), min_size=1, max_size=8, init=_read_json)
    yield Office(pool)
    await pool.close()


async def _read_json(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    """As a plugin's connections do, once each: the server is asked about the type."""
    await connection.set_type_codec("jsonb", schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
