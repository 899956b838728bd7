from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.testing.sandbox.gmail import GmailSandbox
    from tests.cli.conftest import Run

EMAIL = "jana@example.com"


def connected(crmd: Run, sandbox: GmailSandbox, folder: Path) -> str:
    """The id of a connection to the sandbox."""
    account = sandbox.add_account(EMAIL)
    (folder / "token").write_text(account.refresh_token)
    (folder / "secret").write_text(sandbox.grants.rules.client_secret)
    answer = crmd(
        *("connections", "add", "trial", "--workspace", "acme", "--client-id", "sandbox-client"),
        *("--client-secret-file", str(folder / "secret"), "--refresh-token-file", str(folder / "token")),
        *("--token-url", sandbox.token_url, "--api-url", sandbox.api_url, "--json"),
    )
    return str(answer.json["id"])


def test_a_run_is_recorded_and_played_back(crmd: Run, sandbox: GmailSandbox, tmp_path: Path) -> None:
    """`--record` keeps what a job asked, without tokens or addresses; `--replay` answers it without asking anybody."""
    payload = f'{{"connectionId": "{connected(crmd, sandbox, tmp_path)}"}}'
    cassette = tmp_path / "run.json"
    recorded = crmd("run-once", "trial-connected", "--payload", payload, "--record", str(cassette), "--json")
    assert (recorded.code, "requests are kept in" in recorded.err) == (0, True), recorded.err
    text = cassette.read_text("utf-8")
    assert '"url"' in text
    [account] = sandbox.accounts.values()
    assert not any(secret in text for secret in (account.refresh_token, EMAIL, sandbox.grants.rules.client_secret))
    asked = len(sandbox.log.requests)
    replayed = crmd("run-once", "trial-connected", "--payload", payload, "--replay", str(cassette), "--json")
    assert (replayed.code, len(sandbox.log.requests)) == (0, asked), replayed.err


def test_a_cassette_that_is_none_is_told(crmd: Run, tmp_path: Path) -> None:
    """A file that cannot be read is one sentence, and no job is enqueued."""
    answer = crmd("run-once", "trial-greet", "--replay", str(tmp_path / "none.json"))
    assert answer.code == 1
    assert "cannot be read" in answer.err
    assert crmd("jobs", "list", "--json").json == []
