"""`crmd explain`: why a job does not run yet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crmd.cli.attached import job_id_of, on_database
from crmd.cli.screen import emit_json, show_record, show_rows
from crmd.errors import CrmdError, ExitCode
from crmd.store.explanation import explanation_of

if TYPE_CHECKING:
    from argparse import Namespace

    from crmd.config.loading import Config
    from crmd.explaining import Gate
    from crmd.store.pools import Pool

COLUMNS = {"gate": "gate", "verdict": "verdict", "why": "why", "until": "until", "next": "next step"}


def run(arguments: Namespace) -> int:
    """Say why a job stands where it stands."""

    async def work(pool: Pool, _config: Config) -> int:
        job_id = await job_id_of(pool, arguments.id)
        found = await explanation_of(pool, job_id)
        if found is None:
            raise CrmdError(f"Job {job_id} is no longer kept.")
        if arguments.is_json:
            emit_json(found)
            return ExitCode.OK
        start = {"earliest start": found.earliest_start} if found.gates else {}
        show_record(
            {"job": job_id, "type": found.type, "status": found.status, "why": found.summary, **start}, is_json=False
        )
        if found.gates:
            show_rows([_shown(gate) for gate in found.gates], COLUMNS, is_json=False)
        return ExitCode.OK

    return on_database(arguments, work)


def _shown(gate: Gate) -> dict[str, Any]:
    holders = "".join(f" {one['type']} {str(one['id'])[:13]} for {one['seconds']} s;" for one in gate.holders)
    return {
        "gate": gate.name,
        "verdict": gate.verdict,
        "why": f"{gate.text}{' Held by' + holders.rstrip(';') + '.' if holders else ''}",
        "until": gate.until,
        "next": gate.next_step or None,
    }
