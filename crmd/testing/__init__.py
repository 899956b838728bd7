"""For tests of plugins and of crmd itself: a workbench that runs jobs, an injected clock, fake providers.

pytest loads the fixtures by itself; see `crmd.testing.pytest_plugin`. Fake providers: `crmd.testing.sandbox`.
"""

from __future__ import annotations

from crmd.testing.finished import Finished
from crmd.testing.injected_clock import TestClock
from crmd.testing.workbench import Workbench, open_workbench

__all__ = ["Finished", "TestClock", "Workbench", "open_workbench"]
