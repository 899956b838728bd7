from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from crmd_gmail import GmailSettings

from crmd.testing.connecting import connect_sandbox
from crmd.testing.sandbox import GmailSandbox

if TYPE_CHECKING:
    from uuid import UUID

    from crmd.testing import Finished, Workbench
    from crmd.testing.sandbox import Account

Corpus = Callable[[str], list[Path]]
OWNER = "jana@nordwerk.example"


@dataclass(slots=True)
class Office:
    """A sandbox with one account, connected to a workbench with the plugins crm and gmail."""

    workbench: Workbench
    sandbox: GmailSandbox
    account: Account
    connection_id: UUID

    @property
    def payload(self) -> dict[str, str]:
        """The payload that names the connection."""
        return {"connectionId": str(self.connection_id)}

    @staticmethod
    def mail(number: int) -> bytes:
        """A plain message; each number is a conversation of its own."""
        return (
            f"Message-ID: <{number}@engine.example>\r\n"
            f"Date: {number % 28 + 1:02} Jun 2026 10:00:00 +0000\r\n"
            "From: Ada Lovelace <ada@engine.example>\r\n"
            "To: jana@nordwerk.example\r\n"
            f"Subject: Note {number}\r\n\r\n"
            f"Hello, this is note {number}.\r\n"
        ).encode()

    def configure(self, **settings: Any) -> None:  # noqa: ANN401 - any of the settings
        """Give the plugin other settings, under which nothing waits in the process."""
        services = self.workbench.everything.services
        services.settings = {**services.settings, "gmail": GmailSettings(**{"pause_seconds": 0.001, **settings})}

    async def run(self, job_type: str, **payload: object) -> Finished:
        """Run one job and all it starts, retries too; answers what became of it."""
        enqueued = await self.workbench.enqueue(job_type, {**self.payload, **payload})
        await self.workbench.drain(is_time_moved=True)
        return await self.workbench.finished(enqueued.id)

    async def sync(self) -> Finished:
        """Sync what changed."""
        return await self.run("sync-emails-incremental")

    async def fetch(self, query: str, *args: object) -> list[Any]:
        """Rows, past row-level security."""
        rows: list[Any] = await self.workbench.everything.pools.control.fetch(query, *args)
        return rows

    async def messages(self) -> dict[str, set[str]]:
        """Labels of the stored messages by Gmail's id."""
        rows = await self.fetch("SELECT provider_id, labels FROM crm.message")
        return {row["provider_id"]: set(row["labels"]) for row in rows}

    async def quarantine(self) -> dict[str, str]:
        """Reasons by Gmail's id."""
        rows = await self.fetch("SELECT provider_id, reason FROM crm.quarantine")
        return {row["provider_id"]: row["reason"] for row in rows}

    async def versions(self) -> dict[str, str]:
        """A digest of the physical versions of every row by table of schema crm: any write changes it."""
        tables = await self.fetch(
            "SELECT c.oid::regclass::text AS name FROM pg_class c WHERE c.relnamespace = 'crm'::regnamespace"
            " AND c.relkind = 'r'"
        )
        found = {}
        for table in tables:
            rows = await self.fetch(f"SELECT xmin::text || ' ' || ctid::text AS version FROM {table['name']}")
            text = "\n".join(sorted(row["version"] for row in rows))
            found[table["name"]] = f"{len(rows)} {hashlib.sha256(text.encode()).hexdigest()}"
        return found

    async def contents(self) -> list[str]:
        """All that is stored of messages, threads and addresses, without ids and times of our own."""
        rows = await self.fetch(
            "SELECT (to_jsonb(m) - '{id,thread_id,created_at,updated_at,provider_history_id}'::text[])::text"
            " || t.provider_thread_id || t.message_count || coalesce(t.last_message_at::text, '')"
            " || coalesce((SELECT string_agg(a.role || a.position || coalesce(a.address, '') || a.name, ','"
            "      ORDER BY a.role, a.position) FROM crm.message_address a WHERE a.message_id = m.id), '') AS text"
            " FROM crm.message m JOIN crm.thread t ON t.id = m.thread_id ORDER BY m.provider_id"
        )
        kept = await self.fetch("SELECT provider_id || reason AS text FROM crm.quarantine ORDER BY 1")
        return [row["text"] for row in (*rows, *kept)]

    async def cursor(self) -> str | None:
        """The connection's cursor as JSON."""
        query = "SELECT value::text FROM crmd.cursor WHERE connection_id = $1 AND name = 'history'"
        rows = await self.fetch(query, self.connection_id)
        return rows[0]["value"] if rows else None

    async def state(self) -> str:
        """Of the connection."""
        rows = await self.fetch("SELECT state FROM crmd.connections WHERE id = $1", self.connection_id)
        return str(rows[0]["state"])

    async def bad_jobs(self) -> list[Any]:
        """Jobs that ended as failed or dead."""
        return await self.fetch(
            "SELECT type, status, errors::text FROM crmd.archive WHERE status IN ('failed', 'dead')"
        )


@pytest.fixture
async def sandbox() -> AsyncIterator[GmailSandbox]:
    """A Google of one's own."""
    async with GmailSandbox.running() as sandbox:
        yield sandbox


@pytest.fixture
async def office(workbench: Workbench, sandbox: GmailSandbox) -> Office:
    """One connected, empty mailbox; the jobs that connecting starts have not run."""
    account = sandbox.add_account(OWNER)
    connection_id = await connect_sandbox(workbench, sandbox, account)
    office = Office(workbench, sandbox, account, connection_id)
    office.configure()
    return office
