from __future__ import annotations

import asyncio
import contextlib
import email
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import policy
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import anyio
import msgspec
import pytest
import sample_jobs
from aiohttp import web

from crmd.alerts.fault import faults_of
from crmd.alerts.message import News, mail
from crmd.alerts.watching import Watching
from crmd.config.alert_settings import Alerts
from crmd.http.client import GuardedClient
from crmd.http.policy import HttpPolicy
from crmd.onlooker import look_on
from crmd.secret import Secret
from crmd.store.alerts import Alert
from crmd.store.figures import Connected, Daemons, Fleet, Lost, Schedules, Trouble, Waiting
from crmd.webhook_signature import secret_of, verify_webhook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
SIGNING = secret_of(b"k" * 32)
AT = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
DIES = """
INSERT INTO crmd.archive (id, finished_at, run_at, created_at, fence, attempt, max_attempts, crash_count, snooze_count,
    status, type, queue, priority, payload)
SELECT crmd.uuid7(), crmd.clock(), crmd.clock(), crmd.clock(), 1, 3, 3, 0, 0, 'dead', 'add-one', 'normal', 'normal',
    '{"mail": "canary@example.com"}'
"""


@dataclass
class Receiver:
    """Takes webhooks and mail, and keeps what it was sent."""

    url: str = ""
    smtp_port: int = 0
    status: int = 204
    posts: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    mails: list[Any] = field(default_factory=list)
    is_mail_refused: bool = False

    async def post(self, request: web.Request) -> web.Response:
        """A webhook."""
        self.posts.append(({name.lower(): text for name, text in request.headers.items()}, await request.read()))
        return web.Response(status=self.status)

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """SMTP, as far as one mail needs it."""
        writer.write(b"220 here\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper() if line.split() else b""
            if word == b"DATA":
                writer.write(b"354 go on\r\n")
                text = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(email.message_from_bytes(text[:-3], policy=policy.default))
            is_refused = word == b"RCPT" and self.is_mail_refused
            answer = b"221 bye\r\n" if word == b"QUIT" else b"250 fine\r\n"
            writer.write(b"550 canary-refusal\r\n" if is_refused else answer)
            await writer.drain()
        writer.close()

    def kinds(self) -> list[str]:
        """What was posted, in order."""
        return [msgspec.json.decode(body)["type"] for _, body in self.posts]


@contextlib.asynccontextmanager
async def receiving() -> AsyncIterator[Receiver]:
    """A receiver that listens."""
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/hook/canary-path", receiver.post)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook/canary-path"
    server = await asyncio.start_server(receiver.talk, "127.0.0.1", 0)
    receiver.smtp_port = server.sockets[0].getsockname()[1]
    async with server:
        yield receiver
    await runner.cleanup()


def settings_for(receiver: Receiver, **more: Any) -> Alerts:  # noqa: ANN401 - any setting
    """Both ways, to the receiver."""
    return Alerts(
        **{
            "webhook_url": Secret(receiver.url),
            "webhook_secret": SIGNING,
            "email_to": ("ops@example.com", "night@example.com"),
            "email_from": "crmd@example.com",
            "smtp_host": "127.0.0.1",
            "smtp_port": receiver.smtp_port,
            "smtp_security": "none",
            "schedule_minutes": 1e6,  # nobody fires them here
            **more,
        }
    )


@contextlib.asynccontextmanager
async def watchers(workbench: Workbench, settings: Alerts, count: int = 1) -> AsyncIterator[list[Watching]]:
    """As many daemons as look for faults."""
    async with GuardedClient("none", policy=HttpPolicy(attempts_max=1)) as http:
        yield [Watching(workbench.everything.services, http, lambda: settings) for _ in range(count)]


async def look(workbench: Workbench, several: list[Watching], seconds: float = 31.0) -> None:
    """All of them look at once, a while later."""
    await workbench.clock.advance(seconds)
    await asyncio.gather(*(one.look_once() for one in several))


async def test_a_fault_is_told_once_and_so_is_its_end(workbench: Workbench) -> None:
    """Three daemons tell a fault once by webhook and once by mail, its end once, and a new one under a new id."""
    pool = workbench.everything.pools.plugins
    async with receiving() as receiver, watchers(workbench, settings_for(receiver), 3) as several:
        await look(workbench, several)
        assert (receiver.posts, receiver.mails) == ([], [])
        await pool.execute(DIES)
        for _ in range(3):
            await look(workbench, several)
        assert (receiver.kinds(), len(receiver.mails)) == (["alert.opened"], 1)
        await pool.execute("DELETE FROM crmd.archive")
        for _ in range(7):
            await look(workbench, several)
        assert (receiver.kinds(), len(receiver.mails)) == (["alert.opened", "alert.recovered"], 2)
        assert await pool.fetchval("SELECT count(*) FROM crmd.alert") == 0
        await pool.execute(DIES)
        await look(workbench, several)
        assert (receiver.kinds()[2:], len(receiver.mails)) == (["alert.opened"], 3)
        ids = [headers["webhook-id"].rpartition("-")[0] for headers, _ in receiver.posts]
        assert (ids[0] == ids[1], ids[0] == ids[2]) == (True, False)


async def test_what_is_sent_says_what_is_wrong_and_nothing_else(workbench: Workbench) -> None:
    """The webhook is signed by Standard Webhooks; the mail names the fault and the command; no payload is in either."""
    async with receiving() as receiver, watchers(workbench, settings_for(receiver)) as several:
        await workbench.everything.pools.plugins.execute(DIES)
        await look(workbench, several)
        [(headers, body)] = receiver.posts
        assert verify_webhook(headers, body, [SIGNING]).id == headers["webhook-id"]
        data = msgspec.json.decode(body)["data"]
        assert data["sentence"] == "1 job of the type add-one died within a day."
        [message] = receiver.mails
        assert (message["Subject"], message["To"]) == ("crmd: 1 fault", "ops@example.com, night@example.com")
        assert message["Auto-Submitted"] == "auto-generated"
        assert "crmd dead list --type add-one" in message.get_content()
        assert b"canary" not in body + message.as_bytes()


async def test_what_is_not_taken_is_tried_again_under_the_same_id(workbench: Workbench) -> None:
    """A webhook that answers 500 is posted again later with its id; the mail, which went out, is not sent again."""
    async with receiving() as receiver, watchers(workbench, settings_for(receiver), 2) as several:
        await workbench.everything.pools.plugins.execute(DIES)
        receiver.status = 500
        for _ in range(4):
            await look(workbench, several)
        assert 1 <= len(receiver.posts) <= 3
        receiver.status = 200
        await look(workbench, several, 600)
        count = len(receiver.posts)
        await look(workbench, several, 600)
        assert len(receiver.posts) == count
        assert len({headers["webhook-id"] for headers, _ in receiver.posts}) == 1
        assert len(receiver.mails) == 1


async def test_no_secret_is_in_a_log(workbench: Workbench, caplog: pytest.LogCaptureFixture) -> None:
    """What fails is told without the address of the webhook, what a mail server says, or a password."""
    caplog.set_level("DEBUG")
    async with receiving() as receiver, watchers(workbench, settings_for(receiver)) as several:
        await workbench.everything.pools.plugins.execute(DIES)
        receiver.status, receiver.is_mail_refused = 403, True
        await look(workbench, several)
    assert "alerts are not told by webhook: the webhook answered 403" in caplog.text
    assert "alerts are not told by mail: the mail server did not take the mail (SMTPRecipientsRefused)" in caplog.text
    assert "canary" not in caplog.text
    assert SIGNING.reveal() not in caplog.text


async def test_a_daemon_looks_as_soon_as_it_runs(workbench: Workbench) -> None:
    """What goes on beside a daemon looks for faults by the settings of the moment, and ends its tracer with itself."""
    closed = []
    services = workbench.everything.services
    services.tracer = SimpleNamespace(close=lambda: closed.append(True))
    await services.pools.plugins.execute(DIES)
    async with receiving() as receiver, GuardedClient("none") as http:
        config: Any = SimpleNamespace(alerts=settings_for(receiver))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(look_on, services, http, lambda: config)
            with anyio.fail_after(30):
                while not receiver.mails:  # noqa: ASYNC110 - the receiver keeps what it gets
                    await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
        assert receiver.kinds() == ["alert.opened"]
    assert closed == [True]


async def test_without_a_way_nothing_is_looked_at(workbench: Workbench) -> None:
    """Where neither webhook nor mail is set up, looking costs no statement."""
    async with watchers(workbench, Alerts()) as several:
        await look(workbench, several)
        assert await workbench.everything.pools.plugins.fetchval("SELECT count(*) FROM crmd.figures") == 0


def test_a_healthy_fleet_has_no_fault() -> None:
    """Below the bounds of the settings nothing is a fault."""
    fleet = Fleet(
        waiting=(Waiting("fast", due=9, scheduled=0, held=0, due_seconds=60.0, is_served=True),),
        retrying={"a": 9},
        trouble=(Trouble("a", "failed", jobs=500, last_hour=0),),
        daemons=Daemons(alive=1),
        schedules=Schedules(ok=4, paused=1),
        connections=(Connected("gmail", "active", connections=3, stale=0, sync_seconds=60.0),),
    )
    assert faults_of(fleet, Alerts()) == []


def test_every_kind_of_fault_is_found() -> None:
    """Dead and failing jobs, queues that stand, late schedules, stale connections, lost daemons each are a fault."""
    lost = Lost(id=UUID(int=1), host="one", at=AT, is_replaced=False)
    fleet = Fleet(
        waiting=(
            Waiting("fast", due=9, scheduled=0, held=0, due_seconds=3600.0, is_served=True),
            Waiting("slow", due=1, scheduled=0, held=0, due_seconds=3600.0, is_served=False),
        ),
        retrying={"a": 6},
        trouble=(Trouble("a", "failed", jobs=5, last_hour=4), Trouble("b", "dead", jobs=1, last_hour=0)),
        daemons=Daemons(lost=(lost,)),
        schedules=Schedules(late=2, broken=1, late_seconds=7200.0),
        connections=(
            Connected("gmail", "active", connections=3, stale=2, sync_seconds=2e5),
            Connected("gmail", "needs_reauth", connections=1, stale=1, sync_seconds=2e5),
        ),
        quarantined=("x",),
        unknown_effects=3,
    )
    assert [one.key for one in faults_of(fleet, Alerts())] == [
        "dead/b", "failing/a", "waiting/fast", "unserved/slow", "schedule/late", "schedule/broken",
        "connection/stale/gmail", "connection/consent/gmail", f"daemon/{UUID(int=1)}", "quarantine/x", "effect/unknown",
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["a\r\nBcc: x@y.z", "a\x00b", "x" * 5000, "\u2028", ""])
def test_hostile_names_stay_in_their_line(name: str) -> None:
    """Whatever a job type is called, it makes no header, no further line, and no long one."""
    fleet = Fleet(trouble=(Trouble(name, "dead", jobs=1, last_hour=1),))
    [fault] = faults_of(fleet, Alerts())
    assert len(fault.key) <= 300
    assert len(fault.sentence.splitlines()) == 1
    alert = Alert(
        fault=fault.key, id=uuid4(), kind="dead", sentence=fault.sentence, hint=fault.hint, opened_at=AT,
        recovered_at=None, told_open=(), told_end=(),
    )  # fmt: skip
    message = mail([News(alert, is_end=False)], Alerts(email_to=("a@example.com",), smtp_host="x"), AT)
    assert message["Bcc"] is None
    assert message["Subject"] == "crmd: 1 fault"


@pytest.mark.parametrize(
    "given",
    [
        {"email_to": ("a@example.com",)},
        {"smtp_user": "u", "smtp_security": "none"},
        {"webhook_url": Secret("file:///etc/passwd")},
    ],
)
def test_settings_that_do_not_fit_are_refused(given: dict[str, Any]) -> None:
    """Mail without a server, a password in the clear, and a webhook that is no web address are errors at the start."""
    with pytest.raises(ValueError, match=r"smtp_host|smtp_security|http"):
        Alerts(**given)
