"""Takes a picture of every page of the dashboard: light, dark and as wide as a phone. `make screenshots` runs it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import board_jobs
import pytest
from api_server import api_over
from filled import fill

if TYPE_CHECKING:
    from browser import Browser, Page

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(board_jobs)
FOLDER = Path(os.environ.get("CRMD_SCREENSHOTS", "screenshots"))
PAGES = (
    "overview",
    "jobs",
    "dead",
    "schedules",
    "queues",
    "connections",
    "plugins",
    "daemons",
    "events",
    "audit",
    "keys",
)
LOOKS = {
    "light": (1360, 860, False),
    "dark": (1360, 860, True),
    "phone": (390, 844, False),
    "phone-dark": (390, 844, True),
}
FIND_JOB = """
SELECT id FROM crmd.jobs WHERE status = $1 AND ($2::text IS NULL OR type = $2) ORDER BY id DESC LIMIT 1
"""


@pytest.mark.parametrize("look", LOOKS)
async def test_every_page_has_its_picture(workbench: Workbench, browser: Browser, look: str) -> None:
    """Every page stands there without bones, trouble, sideways scrolling or a word in the console."""
    width, height, is_dark = LOOKS[look]
    FOLDER.mkdir(parents=True, exist_ok=True)
    await fill(workbench, ended=6000)
    async with api_over(workbench) as api:
        page = await browser.page(f"{api.address}/", width=width, height=height, is_dark=is_dark)
        await page.see("h1", "Log in")
        await page.picture(FOLDER / f"login-{look}.png")
        await page.type("#key", api.key)
        await page.click("button", "Log in")
        await page.send("Input.dispatchMouseEvent", type="mouseMoved", x=1, y=1)  # it lies on nothing
        for name, place in (await places(workbench)).items():
            await page.open(f"{api.address}/#/{place}")
            await stands(page)
            await page.picture(FOLDER / f"{name}-{look}.png", is_whole=True)
            assert await page.run("return document.documentElement.scrollWidth") <= width, f"{name} is too wide"
        assert page.errors == []


async def stands(page: Page) -> None:
    """Wait until a page shows what it fetched."""
    await page.until("document.querySelector('main').dataset.place === location.hash")
    await page.until("!!document.querySelector('main h1') && !document.querySelector('.bones')")
    assert await page.run("return document.querySelector('.trouble')?.innerText ?? ''") == ""


async def places(workbench: Workbench) -> dict[str, str]:
    """Each page, and some things on pages of their own."""
    pool = workbench._pool
    wanted = {"running": ("processing", "enrich-contact"), "waiting": ("pending", None), "dead": ("dead", None)}
    jobs = {f"job-{name}": f"job/{await pool.fetchval(FIND_JOB, *one)}" for name, one in wanted.items()}
    event = await pool.fetchval("SELECT id FROM crmd.event WHERE type = 'contact.created' ORDER BY id LIMIT 1")
    cause = await pool.fetchval("SELECT crmd.fingerprint(type, errors) FROM crmd.archive WHERE status = 'dead' LIMIT 1")
    return {name: name for name in PAGES} | jobs | {"event": f"events/{event}", "dead-cause": f"dead/{cause}"}
