"""What `crmd.Durable` offers, put together for one attempt when its handler first asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.engine.items import Items
from crmd.engine.relatives import Relatives
from crmd.engine.steps import Steps
from crmd.engine.waiting import Waiting

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from crmd.engine.run import Run
    from crmd.engine.services import Services
    from crmd.engine.transaction import JobTransaction
    from crmd.store.pools import Connection


class DurableWork:
    """Implements `crmd.Durable`.

    Args:
        run: The running job.
        services: What jobs share.
        as_engine: Gives a connection with the engine's rights in a transaction that only the lease's holder commits.
        transaction: Opens a transaction of the job.
    """

    __slots__ = ("batch", "batch_add", "gather", "remaining", "sleep", "step", "wait_for_event")

    def __init__(
        self,
        run: Run,
        services: Services,
        as_engine: Callable[[], AbstractAsyncContextManager[Connection]],
        transaction: Callable[[], AbstractAsyncContextManager[JobTransaction]],
    ) -> None:
        pool = services.pools.plugins
        steps = Steps(run, pool, transaction)
        relatives = Relatives(run, services.job_types, as_engine)
        waiting = Waiting(run, pool, steps, relatives, as_engine)
        self.step = steps.step
        self.sleep = waiting.sleep
        self.wait_for_event = waiting.wait_for_event
        self.gather = waiting.gather
        self.batch = relatives.batch
        self.batch_add = relatives.batch_add
        self.remaining = Items(run, pool).remaining
