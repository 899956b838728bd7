"""`--pdb`: stops in the debugger where a handler raises. The lease is kept meanwhile, from its own thread."""

from __future__ import annotations

import pdb  # noqa: T100 - this module is the debugger's command-line switch
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from crmd.errors import JobError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from crmd.job_type import JobType


def with_debugger(job_types: Mapping[str, JobType], job_type: JobType) -> dict[str, JobType]:
    """The job types, one of which stops in the debugger."""

    async def debugged(*arguments: object) -> Any:  # noqa: ANN401 - whatever the handler returns
        try:
            return await job_type.handler(*arguments)
        except JobError:  # an order to the engine, not a fault
            raise
        except Exception as error:
            pdb.post_mortem(error.__traceback__)
            raise

    stopped = replace(job_type, handler=debugged)
    return {name: stopped if known.name == job_type.name else known for name, known in job_types.items()}
