"""What somebody does who has started the demo: one visit, from the log-in to the audit, by mouse and keys alone."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from browser import Page

CONTACTS = 92
PACE_SECONDS = 0.02
# Keeps each text that the toast shows, frame by frame, for as long as the page lives.
REMEMBER = """
window.told = [];
const look = () => {
  const text = every(".list .text")[0]?.textContent;
  if (text && text !== window.told.at(-1)) window.told.push(text);
  requestAnimationFrame(look);
};
look();
"""


@dataclass(frozen=True)
class Material:
    """What one visit acts upon, so that the next one finds the like: a file that failed, letters that died, a queue."""

    file: str
    cause: str
    letters: int
    queue: str


@dataclass
class Visit:
    """A visitor's tab.

    Attributes:
        page: The tab.
        address: Of the demo, without a slash at its end.
        key: That the demo has told.
        axe: Source of axe-core.
        width: Of the window.
        faults: What was found wrong, by place.
    """

    page: Page
    address: str
    key: str
    axe: str
    width: int
    faults: dict[str, object] = field(default_factory=dict)

    async def go(self, place: str, heading: str) -> None:
        """To a page of the dashboard, which is looked over."""
        await self.page.open(f"{self.address}/#/{place}")
        await self.page.see("h1", heading)
        await self.look_over(place)

    async def look_over(self, place: str) -> None:
        """Note barriers, and whether anything is wider than the window."""
        await self.page.until("!document.querySelector('.bones')")
        if barriers := await self.page.violations(self.axe):
            self.faults[place] = barriers
        if (width := await self.page.run("return document.documentElement.scrollWidth")) > self.width:
            self.faults[f"{place}, width"] = width

    async def log_in(self) -> None:
        """With the key that the demo has told."""
        await self.page.see("h1", "Log in")
        await self.look_over("the door")
        await self.page.type("#key", self.key)
        await self.page.click("button", "Log in")
        await self.page.see("h1", "Overview")
        await self.look_over("overview")

    async def watch(self, example: str) -> None:
        """Start a job over 92 contacts, and watch it in a toast from 0 to done, across a reload."""
        page = self.page
        await page.open(example)
        await page.type("[name=token]", self.key)
        await page.type("[name=payload]", msgspec.json.encode({"paceSeconds": PACE_SECONDS}).decode())
        await page.run(REMEMBER)
        await page.click("button", "Start")
        await page.until("window.told.some((text) => text.includes('of 92') && !text.includes(' 0 of'))")
        await self.look_over("the toast of a job that runs")
        before = await page.run("return window.told")
        await page.reload()
        await page.see(".list .text", f"of {CONTACTS}")
        await page.run(REMEMBER)
        await page.see(".list .text", f"Completed · {CONTACTS} of {CONTACTS}")
        counted = [counts(before), counts(await page.run("return window.told"))]
        assert before[0].startswith("Started") or counted[0][0] == 0, before
        assert counted[0] + counted[1] == sorted(counted[0] + counted[1]), counted
        assert 0 < counted[0][-1] < CONTACTS, counted
        assert await page.see(".list .counts") == "86 succeeded\n3 blocked\n3 failed"
        await self.look_over("the toast of a job that is done")

    async def retry(self, material: Material) -> None:
        """A job that failed, first as it was, then with a payload that has been mended."""
        page = self.page
        await self.go("jobs?status=failed", "Jobs")
        await page.click("tr", material.file)
        await page.see(".attempts .message", "is no amount")
        await self.look_over("a job that failed")
        failed = await page.run("return location.hash")
        await page.click("button", "Run again")
        await page.click("dialog button", "Run again")
        await page.until(
            "location.hash !== given[0] && document.querySelector('main').dataset.place === location.hash", failed
        )
        await page.see(".attempts .message", "is no amount")
        await page.click("button", "Edit and run")
        await page.see("dialog textarea")
        await self.look_over("a dialog that asks for a payload")
        await page.type("dialog textarea", f'{{"file": "{material.file}", "badLines": "skip"}}')
        await page.click("dialog button", "Run with this payload")
        await page.see(".badge", "Completed")
        await self.look_over("a job that is done")

    async def cancel(self) -> None:
        """A job that runs; then set it going again."""
        page = self.page
        await self.go("jobs?status=processing", "Jobs")
        await page.click("tr", "rebuild-index")
        await page.see("h1", "rebuild-index")  # the list has buttons and badges of the same names
        await page.see(".badge", "Processing")
        await self.look_over("a job that runs")
        await page.click("button", "Cancel")
        await page.type("dialog input", "it can wait")
        await page.click("dialog button", "Cancel the job")
        await page.see(".badge", "Cancelled")
        await self.look_over("a job that was cancelled")
        await page.click("button", "Run again")
        await page.click("dialog button", "Run again")
        await page.see(".badge", "Processing")

    async def redrive(self, material: Material) -> None:
        """The dead letters of one cause, to an address that works."""
        page = self.page
        await self.go("dead", "Dead letters")
        await page.click("tr", material.cause)
        await page.click("button", "Redrive these")
        await page.see("dialog .found", f"{material.letters} letters would run again")
        await self.look_over("dead letters of one cause")
        await page.type("dialog textarea", '{"recipient": "reader@nordwerk.example"}')
        await page.click("dialog button[type=submit]", "Redrive")
        await page.see(".notes", f"{material.letters} letters redriven")
        await page.see(".nothing", "None of these is left")

    async def pause(self, material: Material) -> None:
        """A queue, and resume it."""
        page = self.page
        await self.go("queues", "Queues & limits")
        await page.click(f"button[aria-label='Pause {material.queue}']")
        await page.type("dialog input", "until noon")
        await page.click("dialog button", "Pause the queue")
        await page.see("td", "until noon")
        await self.look_over("queues, one of them paused")
        await page.click(f"button[aria-label='Resume {material.queue}']")
        await page.click("dialog button", "Resume")
        await page.no_longer("td", "until noon")

    async def look_back(self) -> None:
        """At what is noted of the visit."""
        page = self.page
        await self.go("audit", "Audit")
        for action in ("jobs.retry", "jobs.cancel", "dead.redrive", "queues.pause", "queues.resume"):
            await page.see("td", action)


def counts(told: list[str]) -> list[int]:
    """How far each text says that the job has come."""
    return [int(found[1]) for text in told if (found := re.search(rf"(\d+) of {CONTACTS}", text))]


async def visited(visit: Visit, example: str, material: Material) -> None:
    """All of it; then what was found wrong on the way is told."""
    async with asyncio.timeout(120):
        await visit.log_in()
        await visit.watch(example)
        await visit.retry(material)
        await visit.cancel()
        await visit.redrive(material)
        await visit.pause(material)
        await visit.look_back()
    assert visit.faults == {}, visit.faults
    assert visit.page.errors == [], visit.page.errors
    assert {f"http://{host}" for host in visit.page.hosts} == {visit.address}, visit.page.hosts
    assert not [one for one in visit.page.requests if visit.key in one]
