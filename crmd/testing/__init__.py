"""For tests of plugins and of crmd itself: a workbench that runs jobs, virtual time, daemons that die, fake providers.

pytest loads the fixtures by itself; see `crmd.testing.pytest_plugin`. Fake providers: `crmd.testing.sandbox`. The guide
is docs/testing.md.
"""

from __future__ import annotations

from crmd.testing.arena import Arena
from crmd.testing.crash_run import CrashReport, run_with_crashes
from crmd.testing.finished import Finished
from crmd.testing.injected_clock import TestClock
from crmd.testing.workbench import Workbench, open_workbench

__all__ = ["Arena", "CrashReport", "Finished", "TestClock", "Workbench", "open_workbench", "run_with_crashes"]
