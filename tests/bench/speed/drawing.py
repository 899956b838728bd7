"""The drawing: a bar for each figure that has something to reach, beside the line where that is. Plain SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from speed.table import bar, cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from speed.figure import Line

WIDTH = 900
ROW = 24
TOP = 44
LEFT = 320
ENOUGH = 200
"""Pixels from the left end of a bar to where it reaches what it must."""

LONGEST = 400
STYLE = """
  text { font: 12px system-ui, sans-serif; fill: #1f2328 }
  .small { font-size: 11px; fill: #59636e }
  .reached { fill: #2da44e } .missed { fill: #cf222e }
  .enough { stroke: #59636e; stroke-dasharray: 3 3 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .small { fill: #9198a1 } .enough { stroke: #9198a1 }
    .reached { fill: #3fb950 } .missed { fill: #f85149 }
  }
"""


def drawn(lines: Sequence[Line], title: str) -> str:
    """The drawing, as the text of an SVG file; it follows the reader's choice of light or dark."""
    shown = [line for line in lines if line.share is not None]
    height = TOP + ROW * len(shown) + 30
    bars = "".join(_bar(line, TOP + ROW * number) for number, line in enumerate(shown))
    middle, bottom = LEFT + ENOUGH, TOP + ROW * len(shown)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
        f'<text x="8" y="20">{escape(title)}</text>\n{bars}'
        f'<line class="enough" x1="{middle}" y1="{TOP - 8}" x2="{middle}" y2="{bottom}"/>\n'
        f'<text class="small" x="{middle}" y="{bottom + 16}" text-anchor="middle">what it must reach</text>\n</svg>\n'
    )


def _bar(line: Line, top: int) -> str:
    """A figure; a bar that would be too long for the page ends in a point."""
    assert line.share is not None, "only such are drawn"
    title, value, ratio, _, _ = cells(line)
    length = min(line.share * ENOUGH, LONGEST)
    right, middle, low = LEFT + length, top + ROW / 2 - 2, top + ROW - 6
    tip = f"{right + 8:.0f},{middle:.0f} " if line.share * ENOUGH > LONGEST else ""
    points = f"{LEFT},{top} {right:.0f},{top} {tip}{right:.0f},{low} {LEFT},{low}"
    words = f"{value}  {ratio}".strip()
    return (
        f'<text x="{LEFT - 8}" y="{top + 14}" text-anchor="end">{escape(title)}</text>\n'
        f'<polygon class="{"reached" if line.is_reached else "missed"}" points="{points}">'
        f"<title>{escape(f'{words}, must be {bar(line.row)}')}</title></polygon>\n"
        f'<text class="small" x="{right + 14:.0f}" y="{top + 14}">{escape(words)}</text>\n'
    )
