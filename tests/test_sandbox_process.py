"""The sandbox as a program of its own."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

import aiohttp

from crmd.testing.sandbox.__main__ import main

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_standalone_sandbox_serves_a_folder(tmp_path: Path) -> None:
    """The program prints its URLs and credentials as one line of JSON, and they open a mailbox of the folder's mail."""
    (tmp_path / "one.eml").write_bytes(b"From: ann@a.example\r\nSubject: Hi\r\n\r\nHello\r\n")
    program = ["-m", "crmd.testing.sandbox", "--mailbox", str(tmp_path), "--email", "jana@nordwerk.example"]
    path = os.pathsep.join(filter(None, sys.path))
    process = await asyncio.create_subprocess_exec(
        sys.executable, *program, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    try:
        assert process.stdout is not None
        facts = json.loads(await process.stdout.readline())
        form = {name: facts[name] for name in ("client_id", "client_secret", "refresh_token")}
        async with aiohttp.ClientSession() as http:
            async with http.post(facts["token_url"], data={"grant_type": "refresh_token", **form}) as response:
                headers = {"Authorization": f"Bearer {(await response.json())['access_token']}"}
            async with http.get(f"{facts['api_url']}/gmail/v1/users/me/profile", headers=headers) as response:
                profile = await response.json()
        assert (profile["emailAddress"], profile["messagesTotal"]) == ("jana@nordwerk.example", facts["messages"])
        assert facts["messages"] == 1
    finally:
        process.terminate()
        await process.communicate()


def test_a_missing_folder_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that is not there ends with a sentence and exit code 2, not with a traceback."""
    assert main(["--mailbox", str(tmp_path / "none")]) == 2
    assert "is not a folder. Name one" in capsys.readouterr().err
