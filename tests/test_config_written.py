"""The settings in force, written out as a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from crmd.config.loading import load_config
from crmd.config.settings import NAMED_SECTIONS, SECTIONS
from crmd.config.written import as_toml

if TYPE_CHECKING:
    from pathlib import Path

ENVIRONMENT = {
    "CRMD__QUEUES__BULK__SLOTS": "7",
    "CRMD__JOBS__SYNC-GMAIL__CONCURRENCY": '[{"max": 2, "per": "workspace"}]',
    "CRMD__PLUGINS__GMAIL__BATCH_MAX": "20",
    "CRMD__EMBEDDED__SHARED_BUFFERS": "64MB",
}


def test_reads_back_the_same(tmp_path: Path) -> None:
    """What is written says, when it is read, what was in force."""
    config = load_config(None, ENVIRONMENT, {"log.level": "debug", "daemon.lease_seconds": 12})
    file = tmp_path / "crmd.toml"
    file.write_text(as_toml(config))
    again = load_config(file, {}, {})
    for section in (*SECTIONS, *NAMED_SECTIONS, "embedded"):
        assert getattr(again, section) == getattr(config, section), section
    assert str(again.plugin_tables["gmail"].entries[("batch_max",)].value) == "20"


def test_holds_no_secret(tmp_path: Path) -> None:
    """Passwords, keys and tokens stay out of the file."""
    (tmp_path / "key").write_text("k")
    secrets = {
        "CRMD__DATABASE__DSN": "postgresql://u:canary@h/d",
        "CRMD__PROVIDERS__GOOGLE__CLIENT_SECRET": "canary",
        "CRMD__PLUGINS__GMAIL__API_TOKEN": "canary",
    }
    assert "canary" not in as_toml(load_config(None, secrets, {}))
