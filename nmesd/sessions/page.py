"""The page of a report: one HTML file with everything in it, for a screen and for A4."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from string import Template
from typing import Final

NOTICE: Final = (
    "Research software, not a medical device. The figures describe what the software decided and commanded; they "
    "are no diagnosis, and the stimulator's own output was not measured."
)
_PAGE: Final = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
body { font: 15px/1.45 system-ui, sans-serif; color: #1c2733; max-width: 1120px; margin: 1.5em auto;
  padding: 0 1em; }
h1 { font-size: 1.5em; margin: 0 0 .1em; }
h2 { font-size: 1.1em; margin: 1.6em 0 .3em; border-bottom: 1px solid #d5dce4; }
p.under { margin: 0 0 1em; color: #5b6b7b; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: .7em; }
.tile { border: 1px solid #d5dce4; border-radius: 6px; padding: .5em .8em; }
.tile b { display: block; font-size: 1.5em; }
.tile small { color: #5b6b7b; }
table { border-collapse: collapse; font-size: .9em; }
td, th { text-align: left; padding: .2em 1em .2em 0; border-bottom: 1px solid #e6ebf0; }
svg { width: 100%; height: auto; }
p.key { font-size: .85em; color: #5b6b7b; }
.notice { margin-top: 2em; padding: .6em .8em; background: #fff6e0; border-left: 4px solid #e8a33d;
  font-size: .9em; }
@media print { body { font-size: 11px; margin: 0; } h2 { break-after: avoid; } @page { size: A4; margin: 12mm; } }
</style>
</head>
<body>
<h1>$title</h1>
<p class="under">$under</p>
<div class="tiles">$tiles</div>
$parts
<p class="notice">$notice</p>
</body>
</html>
""")


def page(
    title: str,
    under: str,
    tiles: Sequence[tuple[str, str, str]],
    parts: Sequence[str],
    notice: str = NOTICE,
) -> str:
    """A page. `tiles`: name, figure, what it means; `parts`: HTML; `notice`: what it is not."""
    shown = "".join(
        f'<div class="tile"><small>{escape(name)}</small><b>{escape(figure)}</b>'
        f"<small>{escape(means)}</small></div>"
        for name, figure, means in tiles
    )
    return _PAGE.substitute(
        title=escape(title), under=escape(under), tiles=shown, parts="\n".join(parts), notice=escape(notice)
    )  # fmt: skip


def part(heading: str, *html: str, key: str = "") -> str:
    """A heading, what stands below it, and how to read it."""
    words = f'<p class="key">{escape(key)}</p>' if key else ""
    return "\n".join([f"<h2>{escape(heading)}</h2>", *html, words])


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Plain text in cells."""
    lines = ["<tr>" + "".join(f"<th>{escape(name)}</th>" for name in head) + "</tr>"]
    lines += [
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    ]
    return "<table>" + "\n".join(lines) + "</table>"
