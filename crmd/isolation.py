"""Where a job type's handler runs, and what a child process of its own may use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from crmd.errors import PluginError

RunsIn: TypeAlias = Literal["loop", "thread", "process"]
# Python, crmd and a plugin take 60 to 100 MiB before a job has done anything.
MEMORY_MIB_MIN = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Isolation:
    """The bounds of a job that runs in a process of its own.

    Args:
        memory_mib: Private memory of the process, MiB; Python and the plugin's code are part of it.
        cpu_seconds: Processor time, which is not time on the clock; None: only `timeout_seconds` bounds it.
        processes_max: Processes and threads that it may have beside itself. Not enforced for root.
    """

    memory_mib: int = 1024
    cpu_seconds: float | None = None
    processes_max: int = 64

    def __post_init__(self) -> None:
        if self.memory_mib < MEMORY_MIB_MIN:
            raise PluginError(
                f"memory_mib is {self.memory_mib}; a child process needs {MEMORY_MIB_MIN} before it begins.",
                hint="Give it more.",
            )
        if self.cpu_seconds is not None and self.cpu_seconds <= 0:
            raise PluginError("cpu_seconds is not more than 0.", hint="Leave it out for no bound.")


def check_isolation(name: str, runs_in: str, isolation: Isolation | None) -> None:
    """Refuse a place that there is none, and bounds that nothing would keep.

    Raises:
        PluginError: The declaration of the job type `name` does not hold together.
    """
    if runs_in not in get_args(RunsIn):
        raise PluginError(f"{name} cannot run in {runs_in!r}.", hint=f"Choose one of {', '.join(get_args(RunsIn))}.")
    if isolation is not None and runs_in != "process":
        raise PluginError(f"{name} has bounds that only a process can have.", hint='Add runs_in="process".')
