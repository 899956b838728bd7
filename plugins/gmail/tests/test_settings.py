from __future__ import annotations

import tomllib
from pathlib import Path

import crmd_gmail
import msgspec
import pytest
from crmd_gmail import GOOGLE, GmailSettings, Units
from crmd_gmail.settings import DECLARED_UNITS_PER_MINUTE

import crmd

FOLDER = Path(__file__).parents[1]


def test_the_readme_names_every_setting() -> None:
    """Each setting, each unit and each job stands in the README."""
    text = (FOLDER / "README.md").read_text("utf-8")
    names = [field.name for kind in (GmailSettings, Units) for field in msgspec.structs.fields(kind)]
    jobs = [value.name for value in vars(crmd_gmail).values() if isinstance(value, crmd.JobType)]
    assert len(jobs) == 4
    assert [name for name in (*names, *jobs) if f"`{name}`" not in text] == []


def test_the_sample_fits() -> None:
    """What the sample shows can be set."""
    table = tomllib.loads((FOLDER / "sample.toml").read_text("utf-8"))["plugins"]["gmail"]
    assert msgspec.convert(table, GmailSettings).units.messages_get == 20


@pytest.mark.parametrize("wrong", [{"batch_max": 101}, {"page_max": 0}, {"units": {"messages_got": 1}}, {"speed": 1}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    """Bounds that Google sets, and names that do not exist, are refused."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, GmailSettings)


def test_a_smaller_quota_makes_calls_dearer() -> None:
    """All accounts share the declared rate of a bucket; a smaller quota is kept by paying more for each call."""
    settings = GmailSettings(units_per_minute=6_000, units=Units(messages_get=20))
    minute = settings.cost("messages_get", 300)
    assert minute == DECLARED_UNITS_PER_MINUTE
    assert GmailSettings().cost("messages_list") == 5


def test_a_bucket_never_grants_more_than_a_minutes_quota() -> None:
    """What a full bucket holds and what flows in within any minute come to no more than Google grants in one."""
    rate = GOOGLE.rate
    assert rate is not None
    assert rate.burst_units + rate.units_per_second * 60 <= DECLARED_UNITS_PER_MINUTE


def test_the_catalogue() -> None:
    """Names, aliases, queues, priorities, time limits and attempts are those that users know."""
    initial, changes = crmd_gmail.sync_emails_initial, crmd_gmail.sync_emails_incremental
    assert (initial.aliases, initial.queue, initial.priority) == (("email-sync-initial",), "slow", "high")
    assert (initial.timeout_seconds, initial.max_attempts, initial.connection) == (3600, 5, "connectionId")
    assert (changes.aliases, changes.queue, changes.priority) == (("email-sync-incremental",), "normal", "high")
    assert (changes.timeout_seconds, changes.max_attempts, changes.connection) == (300, 3, "connectionId")
    batch = crmd_gmail.process_email_batch
    assert (batch.queue, batch.priority, batch.connection) == ("normal", "normal", "connectionId")
    rounds = crmd_gmail.sync_gmail
    assert rounds.schedule is not None
    assert rounds.schedule.expression == "*/15 * * * *"
