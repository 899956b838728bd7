from __future__ import annotations

import threading
import urllib.request
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.testing.sandbox.gmail import GmailSandbox
    from tests.cli.conftest import Answer, Run

EMAIL = "jana@example.com"
TRY_AGAIN = 75


class Desk:
    """Connects the account of a sandbox, as an operator does at a machine without a browser."""

    def __init__(self, crmd: Run, sandbox: GmailSandbox, folder: Path) -> None:
        self.crmd = crmd
        self.sandbox = sandbox
        self.account = sandbox.add_account(EMAIL)
        self.token = folder / "token"
        self.secret = folder / "secret"
        self.token.write_text(f"{self.account.refresh_token}\n")
        self.secret.write_text(sandbox.grants.rules.client_secret)

    def add(self, *more: str, client_id: str = "sandbox-client") -> Answer:
        """`crmd connections add`."""
        return self.crmd(
            *("connections", "add", "trial", "--workspace", "acme", "--client-id", client_id),
            *("--client-secret-file", str(self.secret), "--refresh-token-file", str(self.token)),
            *("--token-url", self.sandbox.token_url, "--api-url", self.sandbox.api_url, *more),
        )

    def connected(self) -> str:
        """The id of the connection."""
        return str(self.add("--json").json["id"])

    def run_job(self, connection_id: str, *more: str) -> Answer:
        """A job of the connection."""
        return self.crmd("run-once", "trial-connected", "--payload", f'{{"connectionId": "{connection_id}"}}', *more)


@pytest.fixture
def desk(crmd: Run, sandbox: GmailSandbox, tmp_path: Path) -> Desk:
    """A sandbox with one account, and its secrets in files."""
    return Desk(crmd, sandbox, tmp_path)


def test_a_refresh_token_makes_a_connection_that_works(desk: Desk) -> None:
    """Client credentials and a refresh token are enough: the account is asked of the provider, and jobs run."""
    answer = desk.add("--json")
    assert answer.code == 0, answer.err
    assert answer.json["account"] == EMAIL
    UUID(answer.json["workspace"])
    assert "Next: crmd run-once trial-connected" in answer.err
    done = desk.run_job(answer.json["id"], "--json")
    assert done.code == 0, done.err
    assert done.json["result"] == {"account": EMAIL, "status": 200}
    assert desk.sandbox.log.violations == []


def test_no_secret_is_shown(desk: Desk) -> None:
    """Neither the refresh token nor the client's secret is in what the commands print."""
    answers = [desk.add(), desk.crmd("connections", "--json"), desk.crmd("config", "show", "--origin")]
    printed = "".join(answer.out + answer.err for answer in answers)
    assert desk.account.refresh_token not in printed
    assert desk.secret.read_text() not in printed


def test_secrets_come_from_the_environment_too(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """$CRMD_REFRESH_TOKEN and $CRMD_CLIENT_SECRET stand for the files."""
    monkeypatch.setenv("CRMD_REFRESH_TOKEN", desk.account.refresh_token)
    monkeypatch.setenv("CRMD_CLIENT_SECRET", desk.secret.read_text())
    answer = desk.crmd(
        *("connections", "add", "trial", "--workspace", "acme", "--client-id", "sandbox-client"),
        *("--token-url", desk.sandbox.token_url, "--api-url", desk.sandbox.api_url),
    )
    assert answer.code == 0, answer.err


def test_the_same_account_stays_the_same_connection(desk: Desk) -> None:
    """Adding an account again renews its consent under the same id; a name means the same workspace each time."""
    assert desk.connected() == desk.connected()
    assert len(desk.crmd("connections", "--workspace", "acme", "--json").json) == 1


def test_a_revoked_token_is_refused(desk: Desk) -> None:
    """A refresh token that the provider does not accept ends with 1, and nothing is kept."""
    desk.sandbox.grants.revoke_subject(EMAIL)
    answer = desk.add()
    assert answer.code == 1
    assert "does not accept this grant (invalid_grant)" in answer.err
    assert desk.crmd("connections", "--json").json == []


def test_a_wrong_client_is_a_fault_of_the_configuration(desk: Desk) -> None:
    """An OAuth client that the provider does not know ends with 3 and names where to look."""
    answer = desk.add(client_id="nobody")
    assert answer.code == 3
    assert "client_id" in answer.err


def test_a_token_address_that_does_not_answer_is_told(desk: Desk) -> None:
    """A provider that is not there ends with 4."""
    answer = desk.add("--token-url", "http://127.0.0.1:1/token")
    assert answer.code == 4
    assert "Check token_url" in answer.err


def test_a_grant_for_another_account_is_refused(desk: Desk) -> None:
    """`--account` must be the account that the provider names."""
    answer = desk.add("--account", "other@example.com")
    assert answer.code == 1
    assert f"The grant is for {EMAIL}, not for other@example.com" in answer.err


def test_without_a_client_the_settings_are_named(crmd: Run) -> None:
    """No client in the flags and none in the settings is a fault of the configuration."""
    answer = crmd("connections", "add", "trial", "--workspace", "acme")
    assert answer.code == 3
    assert "[providers.trial]" in answer.err


def test_a_grant_that_is_revoked_later_is_told(desk: Desk) -> None:
    """A job of a revoked grant ends the command with 75 and how to consent again, and is told at once the next time."""
    connection_id = desk.connected()
    desk.sandbox.grants.revoke_subject(EMAIL)
    desk.sandbox.grants.expire_access()
    for answer in (desk.run_job(connection_id), desk.run_job(connection_id)):
        assert answer.code == TRY_AGAIN, answer.err
        assert f"trial {EMAIL} is stopped" in answer.err
        assert "Consent again: crmd connections add trial" in answer.err
        assert "Traceback" not in answer.err
    [listed] = desk.crmd("connections", "--json").json
    assert listed["state"] == "needs_reauth"


def test_testing_a_connection_tells_whether_it_works(desk: Desk) -> None:
    """`connections test` ends with 0 while the grant holds, and with 1 and the next step when it is gone."""
    connection_id = desk.connected()
    assert desk.crmd("connections", "test", connection_id, "--json").json["provider_says"] == EMAIL
    desk.sandbox.grants.revoke_subject(EMAIL)
    desk.sandbox.grants.expire_access()
    answer = desk.crmd("connections", "test", connection_id[:13])
    assert answer.code == 1, answer.err
    assert "Consent again" in answer.err


def test_a_disabled_connection_stops_its_jobs_until_enabled(desk: Desk) -> None:
    """Jobs of a disabled connection don't run; after `enable` they do; `remove` forgets it."""
    connection_id = desk.connected()
    assert desk.crmd("connections", "disable", connection_id).code == 0
    refused = desk.run_job(connection_id, "--dry-run")
    assert refused.code == TRY_AGAIN
    assert "crmd connections enable" in refused.err
    assert desk.crmd("connections", "enable", connection_id).code == 0
    assert desk.run_job(connection_id).code == 0
    assert desk.crmd("connections", "enable", connection_id).code == 1
    assert desk.crmd("connections", "remove", connection_id).code == 0
    assert desk.crmd("connections", "--json").json == []


def test_a_secret_file_that_is_not_there_is_told(desk: Desk) -> None:
    """A wrong path is named, and nothing is asked of the provider."""
    desk.token.unlink()
    answer = desk.add()
    assert answer.code == 2
    assert "cannot be read: No such file" in answer.err
    assert desk.sandbox.log.requests == []


def test_a_url_must_be_one(desk: Desk) -> None:
    """An address flag that is no URL is refused before anything is done."""
    answer = desk.add("--api-url", "localhost")
    assert answer.code == 2
    assert "--api-url is no URL" in answer.err


def test_a_consent_in_a_browser_makes_a_connection(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a refresh token a page is opened, and what comes back to the loopback port is exchanged and kept."""

    def visit(address: str) -> None:
        threading.Thread(target=urllib.request.urlopen, args=[address], daemon=True).start()

    monkeypatch.setattr("crmd.cli.connecting.webbrowser.open", visit)
    answer = desk.crmd(
        *("connections", "add", "trial", "--workspace", "acme", "--browser", "--client-id", "sandbox-client"),
        *("--client-secret-file", str(desk.secret), "--authorize-url", desk.sandbox.authorize_url, "--json"),
        *("--token-url", desk.sandbox.token_url, "--api-url", desk.sandbox.api_url),
    )
    assert answer.code == 0, answer.err
    assert answer.json["account"] == EMAIL
    assert "Consent on this page: http" in answer.err
    assert desk.run_job(answer.json["id"]).code == 0


def test_a_provider_without_a_page_names_the_other_way(desk: Desk) -> None:
    """Where no consent page is known, the device code is named instead."""
    answer = desk.crmd("connections", "add", "trial", "--workspace", "acme", "--client-id", "sandbox-client")
    assert answer.code == 2
    assert "Use its device code" in answer.err
