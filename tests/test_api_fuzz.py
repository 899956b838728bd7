from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec
import pytest
import sample_jobs
from api_server import ApiServer, api_over

from crmd.api import authenticating
from crmd.config.api_settings import Api

if TYPE_CHECKING:
    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)
WORKSPACE = UUID(int=21)
# `make fuzz` asks for more.
EXAMPLES = int(os.environ.get("CRMD_FUZZ_EXAMPLES", "8"))
MANY = 200
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
# Streams do not end, pages are no API, and a key that is revoked ends the run.
LEFT_OUT = r"/stream$|/metrics$|/api/keys/"
OPEN = Api(requests_per_minute=10**9, jobs_running_max=10**6, jobs_per_hour_max=10**6)


async def filled(api: ApiServer) -> dict[str, list[str]]:
    """Some of everything; what it is called in addresses."""
    place = f"/api/workspaces/{WORKSPACE}"
    ids = [(await api.ask("POST", f"{place}/jobs", {"type": kind})).body["jobId"] for kind in ("add-one", "gives-up")]
    await api.workbench.drain()
    ids.append((await api.ask("POST", f"{place}/jobs", {"type": "add-one"})).body["jobId"])
    event = (await api.ask("POST", f"{place}/events", {"type": "sample.seen"})).body["eventId"]
    await api.ask("PUT", f"{place}/templates/here", {"type": "add-one"})
    await api.ask("POST", f"{place}/schedules", {"name": "here", "type": "add-one", "expression": "@daily"})
    return {"workspaceId": [str(WORKSPACE)], "jobId": ids, "eventId": [event], "name": ["here", "fast"]}


def aimed(document: dict[str, Any], known: dict[str, list[str]], *, is_short: bool) -> dict[str, Any]:
    """The document with what there is in addresses, so that more than 404 is asked for.

    A short run leaves out the operations that take nothing but an address.
    """
    for operations in document["paths"].values():
        for method, operation in list(operations.items()):
            if is_short and "requestBody" not in operation and all(p["in"] == "path" for p in operation["parameters"]):
                del operations[method]
            for parameter in operation["parameters"]:
                if parameter["in"] == "path" and parameter["name"] in known:
                    parameter["schema"] = {"type": "string", "enum": known[parameter["name"]]}
    return document


async def fuzzed(api: ApiServer, folder: Path, phases: str) -> tuple[int, str]:
    """What schemathesis finds: its exit code and what it says."""
    assert api.state is not None
    document = folder / "openapi.json"
    document.write_bytes(
        msgspec.json.encode(aimed(msgspec.json.decode(api.state.described), await filled(api), is_short=EXAMPLES < 50))
    )
    process = await asyncio.create_subprocess_exec(
        str(SCHEMATHESIS), "run", str(document), "--url", api.address, "-H", f"Authorization: Bearer {api.key}",
        "--checks", CHECKS, "--phases", phases, "--exclude-path-regex", LEFT_OUT, "-n", str(EXAMPLES),
        "--request-timeout", "20", "--continue-on-failure", "--suppress-health-check", "all", "--no-color",
        "--warnings", "off", "--generation-database", "none", "--seed", "7",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, cwd=folder,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, said.decode()


@pytest.mark.skipif(not SCHEMATHESIS.exists(), reason="schemathesis is not installed")
async def test_no_request_breaks_it(workbench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up requests of every operation, right and wrong, get the answers that the document names, and no 5xx."""
    monkeypatch.setattr(authenticating, "WRONG_MAX", 10**9)
    async with api_over(workbench, OPEN) as api:
        code, said = await fuzzed(api, tmp_path, "fuzzing" if EXAMPLES < 50 else "examples,coverage,fuzzing")
        assert code == 0, said
        [generated] = re.findall(r"^ *([\d,]+) generated", said, re.MULTILINE)
        sent = int(generated.replace(",", ""))
        print(f"{sent} requests")  # noqa: T201 - what `make fuzz` tells
        assert sent >= (10_000 if EXAMPLES >= MANY else 20 * EXAMPLES)
