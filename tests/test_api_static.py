from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sample_jobs
from api_server import api_over

from crmd.api.static import found

if TYPE_CHECKING:
    from pathlib import Path

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(sample_jobs)


async def test_pages_are_served_and_nothing_else(workbench: Workbench) -> None:
    """Anybody gets the pages, of the right kind and under a strict policy; no address leads out of their folder."""
    async with api_over(workbench) as api:
        module = await api.ask("GET", "/static/crmd-jobs.js", key="")
        assert (module.status, module.headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
        page = await api.ask("GET", "/static/example.html", key="")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        board = await api.ask("GET", "/", key="")
        assert (board.status, board.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert page.headers["X-Content-Type-Options"] == "nosniff"
        for path in (
            "../api/app.py",
            "..%2fapi%2fapp.py",
            "%2e%2e/%2e%2e/__init__.py",
            "/etc/passwd",
            "crmd-jobs.js/",
            "",
        ):
            assert (await api.ask("GET", f"/static/{path}", key="")).status == 404, path
        assert (await api.ask("POST", "/static/crmd-jobs.js", {}, key="")).status == 405


async def test_what_has_not_changed_is_not_sent_again(workbench: Workbench) -> None:
    """A browser that has a file asks whether it is the newest, and is answered without the file."""
    async with api_over(workbench) as api:
        first = await api.ask("GET", "/static/crmd-jobs.js", key="")
        assert first.headers["Cache-Control"] == "no-cache"
        again = await api.ask("GET", "/static/crmd-jobs.js", key="", If_None_Match=first.headers["ETag"])
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
        older = await api.ask("GET", "/static/crmd-jobs.js", key="", If_None_Match='"an older one"')
        assert (older.status, older.body) == (200, first.body)


def test_only_known_kinds_are_found(tmp_path: Path) -> None:
    """What lies in the folder by mistake, a backup or a program, is not served."""
    (tmp_path / "board").mkdir(parents=True)
    for name in ("index.html", "board/one.js", "one.js~", "secret.pem", ".env", "x.py"):
        (tmp_path / name).write_text(name)
    assert {name for name, _ in found(tmp_path)} == {"index.html", "board/one.js"}
