"""The guarded client: deadlines, size caps, retries, shared pauses and, for users' addresses, the address guard."""

from __future__ import annotations

import logging
import random
from typing import TYPE_CHECKING, Literal, Self, Unpack
from weakref import WeakValueDictionary

import aiohttp
import anyio

from crmd.errors import GateClosed, NotAccepted, RetryJob
from crmd.http.address import check_public_url, public_socket
from crmd.http.policy import PUBLIC_POLICY, HttpPolicy
from crmd.http.request import built
from crmd.http.retry import Deliver, GiveUp, OutcomeUnknown, Pause, SendAgain, Unanswered, decide
from crmd.http.verdict import Retryable
from crmd.http.wire import send
from crmd.store.pools import UNREACHABLE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from types import TracebackType

    from crmd.http.request import Parts, Request
    from crmd.http.response import Response
    from crmd.http.retry import Step
    from crmd.http.verdict import Verdict

log = logging.getLogger(__name__)
USER_AGENT = "crmd"


class GuardedClient:
    """Holds one session; use it as an async context manager.

    Args:
        guard: `public` for addresses that users give (only https to the public internet), `none` for addresses that
            the operator gave.
        policy: Bounds of each request.
        chance: Source of jitter in [0, 1).
        sleep: Replaced by tests.
    """

    def __init__(
        self,
        guard: Literal["public", "none"],
        *,
        policy: HttpPolicy | None = None,
        chance: Callable[[], float] = random.random,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.guard = guard
        self.policy = policy or (PUBLIC_POLICY if guard == "public" else HttpPolicy())
        self._chance = chance
        self._sleep = sleep
        self._session: aiohttp.ClientSession | None = None
        self._slots: WeakValueDictionary[str, anyio.Semaphore] = WeakValueDictionary()
        # The one seam below policy, retries and pauses: what records traffic, replays it or plays a provider goes here.
        self.wire: Callable[[Request], Awaitable[Response | Unanswered]] = self.send_once

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(socket_factory=public_socket if self.guard == "public" else None),
            cookie_jar=aiohttp.DummyCookieJar(),  # one session serves many accounts: none may see another's cookies
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "gzip, deflate"},
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=self.policy.connect_seconds, sock_read=self.policy.read_seconds
            ),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(self, method: str, url: str, **parts: Unpack[Parts]) -> Response:
        """Send a request and read its answer; every status but a passing fault or a pause is returned.

        Redirects are returned, not followed. `crmd.http.request.Parts` lists the further arguments.

        Raises:
            FailJob: It can never succeed: a broken URL, a refused address, an answer above the size cap.
            GateClosed: The provider asked for a pause longer than a job should wait, or may not be asked again now.
            NotAccepted: It must not be sent twice, and surely was not accepted.
            OutcomeUnknown: It was sent, must not be sent twice, and no answer came.
            RetryJob: A passing fault outlasted the attempts or the deadline.
        """
        if self.guard == "public":
            check_public_url(url)
        request = built(method, url, parts)
        seconds = parts.get("deadline_seconds") or self.policy.deadline_seconds
        try:
            with anyio.fail_after(seconds):
                response = await self._until_settled(request)
        except TimeoutError:
            reason = f"{request.host} did not answer within {seconds:g} seconds"
            await self._book(request, reason)
            raise (RetryJob if request.is_repeatable else OutcomeUnknown)(reason) from None
        return response

    async def _until_settled(self, request: Request) -> Response:
        attempt = 0
        while True:
            attempt += 1
            match await self._step(request, attempt):
                case Deliver(response, is_fault):
                    await self._book(request, f"{request.host} answered {response.status}" if is_fault else None)
                    return response
                case SendAgain(after_seconds):
                    await self._repeat(request, after_seconds)
                case Pause(after_seconds, reason):
                    await self._pause(request, after_seconds, reason, is_last=attempt >= self.policy.attempts_max)
                case GiveUp(reason, is_unknown, after_seconds):
                    await self._book(request, reason)
                    raise OutcomeUnknown(reason) if is_unknown else _again(request, reason, after_seconds)

    async def _step(self, request: Request, attempt: int) -> Step:
        outcome = await self._attempt(request, attempt)
        if isinstance(outcome, Unanswered):
            log.debug("%s: %s", request.method, outcome.reason)
            verdict: Verdict = Retryable()
        else:
            log.debug("%s %s answered %d", request.method, request.host, outcome.status)
            verdict = request.classify(outcome.status, outcome.headers, outcome.body)
        return decide(
            outcome,
            verdict,
            attempt=attempt,
            is_repeatable=request.is_repeatable,
            policy=self.policy,
            chance=self._chance(),
        )

    async def _attempt(self, request: Request, attempt: int) -> Response | Unanswered:
        if request.gate is None:
            return await self.wire(request)
        if attempt == 1:
            request.gate.tried()
        slots = self._slots.get(request.gate.key)
        if slots is None:
            slots = self._slots[request.gate.key] = anyio.Semaphore(self.policy.in_flight_max)
        async with slots:
            return await self.wire(request)

    async def send_once(self, request: Request) -> Response | Unanswered:
        """Send over the network, once, with the bounds of the policy."""
        if self._session is None:
            raise RuntimeError("the client is used outside its `async with`")
        return await send(self._session, request, body_bytes_max=self.policy.body_bytes_max)

    async def _book(self, request: Request, failure: str | None) -> None:
        """Tell all daemons how the call went: failures in a row close the gate, so that not every job asks in turn."""
        gate = request.gate
        if gate is not None:
            await _told(gate.answered() if failure is None else gate.failed(failure, self._chance()))

    async def _repeat(self, request: Request, seconds: float) -> None:
        """Wait before the same request goes out again, if the fleet may still repeat requests to this provider."""
        closed = None if request.gate is None else await request.gate.repeatable()
        if closed is not None:
            await self._book(request, f"{request.host} fails")
            wait_seconds = (closed.wait_seconds or 0.0) * (1 + self._chance() / 4)
            raise GateClosed(closed.key, after_seconds=wait_seconds, reason=closed.reason)
        await self._sleep_or_give_up(request, seconds)

    async def _sleep_or_give_up(self, request: Request, seconds: float) -> None:
        """A sleep that would outlast the deadline is no use: the slot is given back at once."""
        if anyio.current_time() + seconds >= anyio.current_effective_deadline():
            raise _again(request, f"{request.host} fails for the moment", seconds)
        await self._sleep(seconds)

    async def _pause(self, request: Request, seconds: float, reason: str, *, is_last: bool) -> None:
        if request.gate is not None:
            await _told(request.gate.close(seconds, reason))
        if seconds <= self.policy.wait_seconds_max and not is_last:
            await self._sleep_or_give_up(request, seconds)
            return
        if request.gate is None:
            raise _again(request, f"{request.host}: {reason}", seconds)
        raise GateClosed(request.gate.key, after_seconds=seconds, reason=reason)


def _again(request: Request, reason: str, after_seconds: float | None) -> RetryJob:
    """Leave it to the job's own retry. What must not be sent twice gets here only when no attempt was accepted."""
    return (RetryJob if request.is_repeatable else NotAccepted)(reason, after_seconds=after_seconds)


async def _told(telling: Awaitable[None]) -> None:
    """What other daemons are to know never costs a request its answer: with the database away they learn it later."""
    try:
        await telling
    except UNREACHABLE as error:
        log.warning("a gate was not told (%s)", type(error).__name__)
