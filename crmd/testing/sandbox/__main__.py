"""Run the Gmail sandbox by itself: `python -m crmd.testing.sandbox --mailbox FOLDER_OF_EML [--port N]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import msgspec

from crmd.testing.sandbox.gmail import GmailSandbox

if TYPE_CHECKING:
    from crmd.testing.sandbox.account import Account

USAGE_EXIT_CODE = 2


def fill(account: Account, folder: Path) -> int:
    """Put every .eml file of a folder into the mailbox, in the order of names, and give their number."""
    paths = sorted(folder.rglob("*.eml"))
    for path in paths:
        account.mailbox.add(path.read_bytes())
    return len(paths)


def facts(sandbox: GmailSandbox, account: Account, count: int) -> dict[str, object]:
    """Give what a client needs to know to use the sandbox."""
    return {
        "email": account.email,
        "messages": count,
        "api_url": sandbox.api_url,
        "batch_url": sandbox.batch_url,
        "authorize_url": sandbox.authorize_url,
        "token_url": sandbox.token_url,
        "device_url": sandbox.device_url,
        "revoke_url": sandbox.revoke_url,
        "client_id": sandbox.grants.rules.client_id,
        "client_secret": sandbox.grants.rules.client_secret,
        "refresh_token": account.refresh_token,
    }


async def serve(folder: Path, email: str, port: int) -> None:
    """Serve until the process is ended; the facts are printed once, as one line of JSON."""
    async with GmailSandbox.running(port=port) as sandbox:
        account = sandbox.add_account(email)
        count = fill(account, folder)
        sys.stdout.write(msgspec.json.encode(facts(sandbox, account, count)).decode() + "\n")
        sys.stdout.flush()
        await anyio.sleep_forever()


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m crmd.testing.sandbox", description=__doc__)
    parser.add_argument("--mailbox", type=Path, required=True, help="folder with .eml files")
    parser.add_argument("--email", default="me@sandbox.example", help="address of the account")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 takes a free one")
    chosen = parser.parse_args(arguments)
    if not chosen.mailbox.is_dir():
        sys.stderr.write(f"{chosen.mailbox} is not a folder. Name one that holds .eml files.\n")
        return USAGE_EXIT_CODE
    try:
        anyio.run(serve, chosen.mailbox, chosen.email, chosen.port)
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
