"""Durable work: what a job's context offers so that a job goes on where it was, across waits, crashes and deploys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    import msgspec

    from crmd.awaited import AwaitedEvent, ChildOutcome

    NewChild: TypeAlias = str | tuple[str, msgspec.Struct | Mapping[str, object]]


class Durable(Protocol):
    """Steps, waits, children, batches and items; docs/durable-work.md tells the rules.

    A wait ends the attempt: it raises through the handler what no `except Exception` catches. Let it through.
    """

    async def step(
        self,
        name: str,
        function: Callable[..., Any],
        *args: object,
        type: Any = None,  # noqa: A002, ANN401 - reads as msgspec's own argument does, which takes any annotation
        was: str | None = None,
        is_transaction: bool = False,
    ) -> Any:  # noqa: ANN401 - what `function` returns
        """Call `function(*args)` once in the job's life and keep what it returns; later attempts get that.

        Args:
            name: Its name in this job; a name that comes again is numbered.
            function: Async or not. What it raises is not kept.
            args: Handed to it; not kept.
            type: What the result is read as; None: as the function's return annotation says.
            was: The name that an earlier version of the program used.
            is_transaction: Call `function(tx, *args)` with a `crmd.Transaction` that commits together with the result,
                so that what it writes there is written exactly once.

        Raises:
            FailJob: The steps are not those of the earlier attempts, or the result cannot be kept.
            LeaseLost: Another claim holds the job by now.
        """

    async def sleep(self, seconds: float | None = None, *, until: datetime | None = None, name: str = "sleep") -> None:
        """Go on after so many seconds, or at an instant; up to a second the slot is kept, else it is free meanwhile."""

    async def wait_for_event(
        self,
        event_type: str,
        *,
        match: Mapping[str, object] | None = None,
        timeout_seconds: float | None = None,
        name: str | None = None,
    ) -> AwaitedEvent | None:
        """The first event of the type, since this job first started, whose data contain `match`; None: time is over.

        No event is handed to a job twice. A job of a workspace sees the events of its workspace alone.
        """

    async def gather(
        self, children: Sequence[NewChild], *, needs_all: bool = True, name: str = "gather"
    ) -> list[ChildOutcome]:
        """Run jobs as children, wait without a slot until this job's children have ended, and answer how, in order.

        Args:
            children: A job type, or a job type and its payload, each.
            needs_all: Raise when one did not complete.
            name: Of the step that this is.

        Raises:
            ChildFailed: With `needs_all`, when one failed, died or was cancelled.
        """

    async def batch(
        self, jobs: Sequence[NewChild], *, on_success: NewChild | None = None, on_finish: NewChild | None = None
    ) -> UUID:
        """Enqueue jobs that belong together; answers the batch's id. This job does not wait for them.

        Args:
            jobs: A job type, or a job type and its payload, each.
            on_success: Runs when all have completed; cancelled when one did not.
            on_finish: Runs when all have ended, and `on_success` with them, however they did.
        """

    async def batch_add(self, batch_id: UUID, jobs: Sequence[NewChild]) -> list[UUID]:
        """Add jobs to a batch that has not finished; a batch never finishes before the job of it that calls this."""

    def remaining(self, items: Iterable[Any], *, key: Callable[[Any], object] = str) -> AsyncIterator[Any]:
        """The items that no earlier attempt has booked with `succeeded`, `blocked` or `failed`, in their order.

        Args:
            items: All of them; in every attempt the same, and more where some have come.
            key: What an item is booked as.
        """
