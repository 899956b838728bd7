from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import uuid4

import msgspec
import pytest
import web_jobs
from web_jobs import staged

if TYPE_CHECKING:
    from pathlib import Path

    from api_server import ApiServer
    from browser import Browser, Page

    from crmd.testing import Workbench

pytestmark = pytest.mark.crmd_plugins(web_jobs)

# The page's own styles, and what the toast makes of them.
PAINTED = """
const sheet = new CSSStyleSheet();
sheet.replaceSync(`crmd-job-toasts { --crmd-accent: rgb(1, 2, 3); }
  crmd-job-toasts::part(title) { letter-spacing: 2px; }`);
document.adoptedStyleSheets = [sheet];
return [getComputedStyle(find(".list .text")).color, getComputedStyle(find(".list .title")).letterSpacing];
"""


async def opened(browser: Browser, api: ApiServer, **look: Any) -> Page:  # noqa: ANN401 - width, height, is_dark
    """The example page, with a workspace and a key of its own filled in."""
    workspace_id = uuid4()
    page = await browser.page(f"{api.address}/static/example.html", **look)
    key = await api.new_key("read", "enqueue", workspace_id=workspace_id)
    await page.type("[name=workspaceId]", str(workspace_id))
    await page.type("[name=token]", key)
    return page


async def start(page: Page, job_type: str, **payload: object) -> None:
    """Fill in the rest and press the button."""
    await page.type("[name=type]", job_type)
    await page.type("[name=payload]", msgspec.json.encode(payload).decode())
    await page.click("button", "Start")


def assert_calm(page: Page, api: ApiServer) -> None:
    """Nothing was said in anger, nothing was asked of another host, and no key stood in an address."""
    assert page.errors == []
    assert {f"http://{host}" for host in page.hosts} == {api.address}
    assert not any("crmd_" in request for request in page.requests)


async def test_a_job_is_watched_to_its_end_across_a_reload(
    workbench: Workbench, browser: Browser, axe: str, tmp_path: Path
) -> None:
    """A job over 92 contacts is started, goes on after a reload, and ends with counts, details and no barrier."""
    async with staged(workbench) as (api, stage):
        page = await opened(browser, api)
        await start(page, "sequence_subscription", contactIds=list(range(92)))
        await page.see(".list .title", "Sequence subscription")
        await stage.turn(items_max=34)
        await page.see(".list .text", "34 of 92")
        await page.reload()
        await page.see(".list .text", "Running · 34 of 92")
        assert await page.run("return find('.list progress').value") == 34
        await page.picture(tmp_path / "running.png")
        assert await page.violations(axe) == []
        await stage.turn(items_max=92)
        await page.see(".list .text", "Completed · 92 of 92")
        assert await page.see(".list .counts") == "83 succeeded\n9 blocked"
        await page.click(".list summary")
        await page.see(".list .reason", "opted out: 9")
        await page.picture(tmp_path / "completed.png")
        assert await page.violations(axe) == []
        assert "Completed" in await page.run("return every('[role=status]')[0].textContent")
        assert_calm(page, api)


async def test_a_failed_job_is_tried_again(workbench: Workbench, browser: Browser, axe: str, tmp_path: Path) -> None:
    """On a dark phone a failed job says why, as text and aloud; it is tried again with a touch, and works."""
    async with staged(workbench) as (api, stage):
        page = await opened(browser, api, width=390, height=844, is_dark=True)
        await stage.turn(is_broken=True)
        await start(page, "bulk_tag")
        await page.see(".list .more", "the tag <b>VIP</b> is locked")
        assert "locked" in await page.run("return every('.said[role=alert]')[0].textContent")
        await page.picture(tmp_path / "failed.png")
        assert await page.violations(axe) == []
        assert await page.run("return document.documentElement.scrollWidth") <= 390
        await stage.turn(is_broken=False)
        await page.click(".list button", "Try again")
        await page.see(".list .text", "Completed")
        await page.no_longer(".list .text", "Failed")
        assert_calm(page, api)


async def test_a_running_job_is_cancelled_by_keyboard(workbench: Workbench, browser: Browser) -> None:
    """Cancel asks a running job to stop, and says so until it has; Escape dismisses; the page's styles hold."""
    async with staged(workbench) as (api, stage):
        page = await opened(browser, api)
        await start(page, "bulk_export")
        await page.see(".list .text", "Running")
        await page.until("every('.card').length === 2")  # the toast, and the job in its place on the page
        assert await page.run(PAINTED) == ["rgb(1, 2, 3)", "2px"]
        await page.run("find('.list .cancel').focus()")
        await page.press("Enter")
        await page.see(".list .text", "Stopping")
        await page.no_longer(".list .cancel")
        await stage.turn(is_ending=True)
        await page.see(".list .text", "Cancelled")
        await page.run("find('.list .retry').focus()")
        await page.press("Escape")
        await page.no_longer(".list .card")
        assert await page.run("return Object.values(localStorage)") == ["{}"]
        assert_calm(page, api)


async def test_a_lost_connection_is_made_again(workbench: Workbench, browser: Browser) -> None:
    """What became of a job while the network was away is told once it is back."""
    async with staged(workbench) as (api, stage):
        page = await opened(browser, api)
        await start(page, "sequence_subscription", contactIds=list(range(20)))
        await page.see("output", "live")
        await page.offline(is_offline=True)
        await page.see("output", "lost")
        await stage.turn(items_max=20)
        await page.offline(is_offline=False)
        await page.see(".list .text", "Completed · 20 of 20")
        assert all("ERR_INTERNET_DISCONNECTED" in error for error in page.errors)


async def test_it_asks_where_no_stream_is_to_be_had(workbench: Workbench, browser: Browser) -> None:
    """Where streams are refused, jobs are asked for now and then; a toast that ended well goes by itself."""
    async with staged(workbench) as (api, stage):
        api.settings[0] = msgspec.structs.replace(api.settings[0], streams_max=0)
        page = await opened(browser, api)
        await start(page, "sequence_subscription", contactIds=[1, 2])
        await page.see("output", "polling")
        await stage.turn(items_max=2)
        await page.see(".list .text", "Completed · 2 of 2")
        await page.run("document.querySelector('crmd-job-toasts').setAttribute('dismiss-after', '0')")
        await page.no_longer(".list .card")


async def test_tabs_show_the_same(workbench: Workbench, browser: Browser) -> None:
    """A job that is started in one tab is shown in the other; what is dismissed in one is gone in both."""
    async with staged(workbench) as (api, stage):
        one = await opened(browser, api)
        await start(one, "sequence_subscription", contactIds=[1, 2])
        await one.see(".list .text", "Running")
        other = await browser.page(f"{api.address}/static/example.html")
        given = await one.run("return sessionStorage.getItem('example')")
        await other.run("sessionStorage.setItem('example', given[0])", given)
        await other.reload()
        await other.see(".list .text", "Running")
        await start(one, "bulk_export")
        await other.see(".list .title", "Bulk export")
        await stage.turn(items_max=2)
        await other.see(".list .text", "Completed")
        await one.show()
        await one.click(".list [data-state=completed] .close")
        await other.no_longer(".list .text", "Completed")
        assert_calm(other, api)
