"""The dashboard without a mouse: every place is reached with Tab or a letter, and the focus is seen and comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import board_jobs
import pytest
from api_server import api_over

if TYPE_CHECKING:
    from browser import Browser, Page

    from crmd.testing import Workbench

pytestmark = [pytest.mark.crmd_plugins(board_jobs), pytest.mark.slow]
STOPS_MAX = 60
# Where the focus is: what it is called, whether one sees it there, and whether it is in a dialog.
FOCUS = """
const one = document.activeElement;
const style = getComputedStyle(one);
const isMarked = one.matches(":focus-visible") && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1;
const { width, height, bottom } = one.getBoundingClientRect();
const name = one.getAttribute("aria-label") ?? one.labels?.[0]?.textContent ?? one.textContent;
return [name.trim(), isMarked && width > 0 && height > 0 && bottom > 0, !!one.closest("dialog"), one === document.body];
"""

THERE = "every('a, button').some((one) => (one.ariaLabel ?? one.textContent).trim().startsWith(given[0]))"


async def focus(page: Page) -> str:
    """What the thing that has the focus is called."""
    name, *_ = await page.run(FOCUS)
    return str(name)


async def tab_to(page: Page, wanted: str) -> None:
    """Press Tab until this has the focus, once it is there; wherever the focus is on the way, it is to be seen."""
    await page.until(THERE, wanted)
    stops = []
    for _ in range(STOPS_MAX):
        await page.press("Tab")
        name, is_seen, _, is_outside = await page.run(FOCUS)
        stops.append(name)
        assert is_seen or is_outside, f"nobody sees that the focus is on {name!r}"
        if name.startswith(wanted):
            return
    pytest.fail(f"no way to {wanted!r} among {stops}")


async def test_in_and_around(workbench: Workbench, browser: Browser) -> None:
    """The key's field has the focus; then a letter or two lead to each page and to the search, and ? tells them all."""
    async with api_over(workbench) as api:
        page = await browser.page(f"{api.address}/")
        await page.see("h1", "Log in")
        await page.send("Input.insertText", text=api.key)
        await page.press("Enter")
        await page.see("h1", "Overview")
        await page.press("?")
        await page.see("dialog h2", "Keyboard")
        await page.press("Enter")
        await page.no_longer("dialog")
        for letter, heading in {"q": "Queues & limits", "p": "Plugins", "j": "Jobs"}.items():
            await page.press("g")
            await page.press(letter)
            await page.see("h1", heading)
        await page.press("/")
        assert await page.run("return document.activeElement.type") == "search"
        await page.open(f"{api.address}/#/queues")
        await page.see("h1", "Queues & limits")
        await page.run("document.activeElement.blur()")
        await tab_to(page, "Skip to the page")
        await page.press("Enter")
        assert await page.run("return location.hash") == "#/queues"
        await tab_to(page, "fast")
        assert page.errors == []


async def test_a_job_by_keyboard(workbench: Workbench, browser: Browser) -> None:
    """From the list to a job and through its dialogs by Tab, Enter and Escape; the focus stays in, and comes back."""
    await workbench.enqueue("send-campaign", {"contactIds": [1], "source": "nowhere"})
    await workbench.drain()
    async with api_over(workbench) as api:
        page = await browser.page(f"{api.address}/#/jobs")
        await page.see("h1", "Log in")
        await page.send("Input.insertText", text=api.key)
        await tab_to(page, "Log in")
        await page.press("Enter")
        await page.see("td a", "send-campaign")
        await tab_to(page, "send-campaign")
        await page.press("Enter")
        await page.see(".attempts .message", "no sender")
        await tab_to(page, "Edit and run")
        await page.press("Enter")
        await page.see("dialog textarea")
        assert await focus(page) == "Payload"
        for _ in range(6):
            await page.press("Tab")
            name, is_seen, is_inside, is_outside = await page.run(FOCUS)
            assert is_outside or (is_inside and is_seen), name
        await page.press("Escape")
        await page.no_longer("dialog")
        assert await focus(page) == "Edit and run…"
        await tab_to(page, "Run again")
        await page.press("Enter")
        await page.see("dialog h2", "again?")
        assert await focus(page) == "Run again"
        before = await page.run("return location.hash")
        await page.press("Enter")
        await page.until("location.hash !== given[0] && !find('dialog')", before)
        await page.see(".badge", "Pending")
        await tab_to(page, "Cancel")
        await page.press("Enter")
        await page.send("Input.insertText", text="not needed")
        await page.press("Enter")
        await page.see(".badge", "Cancelled")
        assert page.errors == []
