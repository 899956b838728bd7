from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Corpus, Office

pytestmark = pytest.mark.crmd_plugins("crm", "gmail")


@pytest.mark.parametrize("folder", ["mail", "bounces"])
async def test_every_real_message(office: Office, corpus: Corpus, folder: str) -> None:
    """Real mail, however broken, fails no job: each file is a row, or in quarantine with a reason."""
    files = [path for path in corpus(f"{folder}/**/*") if path.name not in {"LICENSE", "README.md"}]
    wanted = {office.account.mailbox.add(path.read_bytes()).id: path for path in files}
    done = await office.run("sync-emails-initial", startDate="1970-01-01")
    assert await office.bad_jobs() == []
    stored, refused = await office.messages(), await office.quarantine()
    lost = [
        path.name for message_id, path in wanted.items() if message_id not in stored and not refused.get(message_id)
    ]
    assert lost == []
    sums = done.result["children"]["sums"]
    assert (done.status, sums["stored"], sums["quarantined"]) == ("completed", len(stored), len(refused))
    before = await office.versions()
    await office.run("sync-emails-initial", startDate="1970-01-01")
    assert await office.versions() == before
