"""What every test of the core may use."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent / "engine"))

REPOSITORY = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real-world mail that stands beside a checkout, or in $CRMD_TEST_DATA."""
    folder = Path(os.environ.get("CRMD_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"the real-world mail is not here ({folder})")
    return folder
