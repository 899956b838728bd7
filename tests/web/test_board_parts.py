"""What the dashboard is made of, in a real browser: how it writes figures, and how it renews a page in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from api_server import api_over

if TYPE_CHECKING:
    from browser import Browser

    from crmd.testing import Workbench

pytestmark = pytest.mark.slow
FIGURES = """
const { span, ago, compact, percent } = await import("/static/board/format.js");
const { to, place } = await import("/static/board/router.js");
const { address } = await import("/static/board/wire.js");
return [
  [0, 0.0421, 1.5, 59.4, 60, 74, 3600, 5400, 86400, 100000].map(span),
  [5, 90, 7200, -600].map((seconds) => ago(new Date(1e12 - seconds * 1000), 1e12)),
  [compact(41233), percent(3, 0), percent(1, 3)],
  to("job", "a/b", { q: "x y", none: "" }), place("#/job/a%2Fb?q=x").id,
  address("/api/jobs", { status: ["a", "b"], q: "" }),
];
"""
RENEWED = """
const { h, renew } = await import("/static/board/dom.js");
const root = document.body.appendChild(h("div", {}));
const heard = [];
const draw = (names, word) => renew(root,
  h("input", { "data-key": "q", value: "" }),
  h("details", {}, h("summary", {}, "more"), h("p", {}, word)),
  h("i", { css: { width: `${word.length * names.length}%` } }),
  h("ul", {}, names.map((name) => h("li", { "data-key": name, on: { click: () => heard.push(name + word) } }, name))),
);
draw(["a", "b", "c"], "old");
const [input, item] = [root.querySelector("input"), root.querySelector("li[data-key=c]")];
input.focus();
input.value = "typed";
root.querySelector("details").open = true;
draw(["c", "d", "a", "e"], "new");
item.click();
return [
  document.activeElement === input && input.value, root.querySelector("details").open,
  root.querySelector("p").textContent, [...root.querySelectorAll("li")].map((one) => one.textContent),
  root.querySelector("li[data-key=c]") === item, heard, root.querySelector("i").style.width,
];
"""


async def test_figures_and_pages_renewed(workbench: Workbench, browser: Browser) -> None:
    """Figures have one form; a page that is renewed keeps its focus, words typed, what is open and its rows."""
    async with api_over(workbench) as api:
        page = await browser.page(f"{api.address}/")
        assert await page.run(FIGURES) == [
            ["0 ms", "42 ms", "1.5 s", "59 s", "1 min", "1 min 14 s", "1 h", "1 h 30 min", "1 d", "1 d 4 h"],
            ["5 s ago", "2 min ago", "2 h ago", "in 10 min"],
            ["41.2k", 0, 33],
            "#/job/a%2Fb?q=x+y",
            "a/b",
            "/api/jobs?status=a&status=b",
        ]
        assert await page.run(RENEWED) == ["typed", True, "new", ["c", "d", "a", "e"], True, ["cnew"], "12%"]
        assert page.errors == []
