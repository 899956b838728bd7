"""The dashboard in a real browser: what operators do there, how it looks and what it never does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import board_jobs
import pytest
from api_server import api_over
from filled import fill
from screenshots import places, stands

from crmd.store import grades

if TYPE_CHECKING:
    from uuid import UUID

    from api_server import ApiServer
    from browser import Browser, Page

    from crmd.testing import Workbench

pytestmark = [pytest.mark.crmd_plugins(board_jobs), pytest.mark.slow]
RUNNING = """
INSERT INTO crmd.lease (id, claim_id, daemon_id, claimed_at, run_at, rank_at, created_at, fence, attempt, max_attempts,
    crash_count, snooze_count, type, queue, priority, payload, started_at)
SELECT crmd.uuid7(), gen_random_uuid(), d.id, c.now, c.now, c.now, c.now, 1, 1, 3,
    0, 0, 'import-deals', 'slow', 'normal', '{"contactIds": [1]}', c.now
FROM crmd.daemon d, (SELECT crmd.clock() AS now) c LIMIT 1 RETURNING id
"""
SAY = """
UPDATE crmd.archive SET payload = jsonb_build_object($2::text, $2::text), errors = jsonb_build_array(
    jsonb_build_object('attempt', 1, 'class', $2::text, 'message', $2::text, 'places', jsonb_build_array($2::text)))
WHERE id = $1
"""
HOSTILE = "<img src=x onerror=\"document.title='gone'\"><b>bold</b>"


async def entered(browser: Browser, api: ApiServer, **look: Any) -> Page:  # noqa: ANN401 - of Browser.page
    """A page of somebody who has logged in."""
    page = await browser.page(f"{api.address}/", **look)
    await page.type("#key", api.key)
    await page.click("button", "Log in")
    await page.see("h1", "Overview")
    return page


async def test_an_operator_at_work(workbench: Workbench, browser: Browser) -> None:
    """Log in, retry a failed job, cancel one that runs, redrive, pause a queue: it is asked, done and audited."""
    failed = await workbench.enqueue("send-campaign", {"contactIds": [1], "source": "nowhere"})
    await workbench.drain()
    async with api_over(workbench) as api:
        page = await entered(browser, api)
        await _retry(page, api, workbench, failed.id)
        await _cancel(page, api, workbench)
        await _redrive(page, api, workbench)
        await _pause(page, api, workbench)
        actions = await workbench._pool.fetch("SELECT action, outcome, actor FROM crmd.audit ORDER BY id")
        assert [row["action"] for row in actions] == ["jobs.retry", "jobs.cancel", "dead.redrive", "queues.pause"]
        assert {row["outcome"] for row in actions} == {"done"}
        assert all(row["actor"].startswith("api:key:") for row in actions)
        assert (page.errors, page.hosts) == ([], {api.address.removeprefix("http://")})
        assert not [one for one in page.requests if api.key in one]
        assert (
            await page.run("return JSON.stringify([location.href, {...localStorage}]).includes(given[0])", api.key)
            is False
        )


async def _retry(page: Page, api: ApiServer, workbench: Workbench, failed: UUID) -> None:
    await page.open(f"{api.address}/#/job/{failed}")
    await page.see(".badge", "Failed")
    await page.see(".attempts .message", "the campaign has no sender")
    await page.click("button", "Edit and run")
    await page.type("dialog textarea", '{"contactIds": [1], "source": "website"}')
    await page.click("dialog button", "Run with this payload")
    await page.until("!location.hash.includes(given[0])", str(failed))
    await workbench.drain()
    await page.see(".badge", "Completed")


async def _cancel(page: Page, api: ApiServer, workbench: Workbench) -> None:
    running = await workbench._pool.fetchval(RUNNING)
    await page.open(f"{api.address}/#/jobs?status=processing")
    await page.click("a", "import-deals")
    await page.see("h1", "import-deals")
    await page.click("button", "Cancel")
    await page.click("dialog button", "Leave it")
    await page.no_longer("dialog")
    sql = "SELECT cancel_reason FROM crmd.lease WHERE id = $1"
    assert await workbench._pool.fetchval(sql, running) is None
    await page.click("button", "Cancel")
    await page.type("dialog input", "wrong file")
    await page.click("dialog button", "Cancel the job")
    await page.see(".tag", "asked to stop")
    assert await workbench._pool.fetchval(sql, running) == "wrong file"


async def _redrive(page: Page, api: ApiServer, workbench: Workbench) -> None:
    for _ in range(3):
        await workbench.enqueue("send-campaign", {"contactIds": [2], "source": "nowhere"})
    await workbench.drain()
    await page.open(f"{api.address}/#/dead")
    await page.click("td button", "Redrive")
    await page.see("dialog .found", "letters would run again")
    await page.type("dialog textarea", '{"source": "website"}')
    await page.click("dialog button[type=submit]", "Redrive")
    await page.see(".nothing", "No dead letters")
    await workbench.drain(is_time_moved=True)
    assert await workbench._pool.fetchval("SELECT count(*) FROM crmd.jobs WHERE status = 'completed'") >= 4


async def _pause(page: Page, api: ApiServer, workbench: Workbench) -> None:
    await page.open(f"{api.address}/#/queues")
    await page.click("button[aria-label='Pause slow']")
    await page.type("dialog input", "until noon")
    await page.click("dialog button", "Pause the queue")
    await page.see("td", "until noon")
    row = await workbench._pool.fetchrow("SELECT paused_until, pause_reason FROM crmd.tuning WHERE key = 'queue:slow'")
    assert row is not None
    assert row["pause_reason"] == "until noon"


async def test_every_page_for_everybody(workbench: Workbench, browser: Browser, axe: str) -> None:
    """Light, dark, wide and narrow: no serious fault of accessibility, nothing too wide, no word in the console."""
    await fill(workbench, ended=80)
    async with api_over(workbench) as api:
        page = await entered(browser, api, width=1280, height=800)
        faults = {}
        # A long list has the same faults as a short one, and takes axe-core as much longer.
        for name, place in (await places(workbench) | {"jobs": "jobs?status=processing"}).items():
            await page.resize(1280, 800)
            await page.colour(is_dark=False)
            await page.open(f"{api.address}/#/{place}")
            await stands(page)
            faults[f"{name}, light"] = await page.violations(axe)
            await page.resize(390, 844)
            await page.colour(is_dark=True)
            faults[f"{name}, dark on a phone"] = await page.violations(
                axe, "color-contrast", "scrollable-region-focusable"
            )
            assert await page.run("return document.documentElement.scrollWidth") <= 390, f"{name} is too wide"
        assert {name: found for name, found in faults.items() if found} == {}
        assert (page.errors, page.hosts) == ([], {api.address.removeprefix("http://")})


async def test_whoever_is_nobody_stays_outside(
    workbench: Workbench, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong key, and one of a single workspace, get a sentence and no page; a revoked one is shown the door."""
    monkeypatch.setattr("crmd.api.authenticating.REMEMBERED_SECONDS", 0.0)
    async with api_over(workbench) as api:
        page = await browser.page(f"{api.address}/#/jobs")
        for key, told in {
            "crmd_aaaaaaaaaaaa_wrong": "That key is wrong",
            await api.new_key("read", workspace_id=board_jobs.WORKSPACE): "for one workspace",
        }.items():
            await page.type("#key", key)
            await page.click("button", "Log in")
            await page.see(".trouble", told)
        assert await page.run("return sessionStorage.length") == 0
        await page.type("#key", api.key)
        await page.click("button", "Log in")
        await page.see("h1", "Jobs")
        await workbench._pool.execute("UPDATE crmd.api_key SET revoked_at = crmd.clock()")
        await page.click("a", "Dead letters")
        await page.see(".trouble", "The key is no longer good")
        assert await page.run("return sessionStorage.length") == 0


async def test_what_jobs_say_stays_text(workbench: Workbench, browser: Browser) -> None:
    """Markup in a payload, an error or an event is shown as it stands and does nothing."""
    job = await workbench.enqueue("send-campaign", {"contactIds": [1], "source": "nowhere"})
    await workbench.drain()
    await workbench._pool.execute(SAY, job.id, HOSTILE)
    async with api_over(workbench) as api:
        page = await entered(browser, api)
        for place in (f"job/{job.id}", "jobs", "dead"):
            await page.open(f"{api.address}/#/{place}")
            await stands(page)
            await page.see("main", "onerror=")
            assert await page.run("return document.querySelectorAll('main img, main b').length") == 0
        assert page.errors == []


async def test_a_daemon_that_goes_and_comes(workbench: Workbench, browser: Browser) -> None:
    """While nothing answers the page says so and keeps what it shows; when it answers again, it goes on by itself."""
    async with api_over(workbench) as api:
        page = await entered(browser, api)
        await page.open(f"{api.address}/#/jobs")
        await page.see(".nothing", "No jobs yet")
        await page.offline(is_offline=True)
        await page.see(".trouble", "The daemon does not answer")
        await page.see(".nothing", "No jobs yet")
        await workbench.enqueue("import-deals", {"contactIds": []})
        await page.offline(is_offline=False)
        await page.see("td", "import-deals")
        await page.no_longer(".trouble")


async def test_a_plugin_and_its_grade(workbench: Workbench, browser: Browser) -> None:
    """A plugin's grade is shown with when it was found, one of another version as such, and none as not checked."""
    async with api_over(workbench) as api:
        page = await entered(browser, api)
        for distribution, said in {
            None: "Not checked. crmd plugin check board_jobs --record",
            "board_jobs": "Silver checked here now",
            "board_jobs 0.0.1": "Silver of board_jobs 0.0.1, checked here",
        }.items():
            if distribution is not None:
                await grades.record(workbench._pool, "board_jobs", distribution, "silver")
            await page.open(f"{api.address}/#/plugins")
            await page.see("h1", "Plugins")
            await page.reload()
            await page.see("dd", said)
        await page.see("dd .warn", "Another version is installed")
        await page.see("dd", "It declares no checks.")
        assert page.errors == []
