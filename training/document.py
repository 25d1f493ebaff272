"""A short document of headings, paragraphs, tables, pictures and code, written as GitHub Markdown and as HTML.

Its texts are plain: whatever they hold is shown as it is, never read as markup.
"""

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """The start of a section."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Sentences."""

    text: str


@dataclass(frozen=True)
class Code:
    """Lines for a terminal."""

    text: str


@dataclass(frozen=True)
class Table:
    """`align` has a letter a column, l or r; each row has a text a column."""

    align: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A PNG, the name of its file, what it shows for those who do not see it, and its caption."""

    file: str
    alt: str
    caption: str
    png: bytes


Block = Heading | Paragraph | Code | Table | Picture


def to_markdown(title: str, blocks: Sequence[Block]) -> str:
    """Write the document as GitHub Markdown, its pictures as links to files in the same folder."""
    return "\n\n".join([f"# {_escaped(title)}", *map(_markdown, blocks)]) + "\n"


def to_html(title: str, blocks: Sequence[Block]) -> str:
    """Write the document as one HTML file that holds its pictures and needs neither network nor script."""
    body = "\n".join(map(_html, blocks))
    name = html.escape(_line(title))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{name}</title>
<style>{_CSS}</style>
</head>
<body>
<h1>{name}</h1>
{body}
</body>
</html>
"""


_CSS = """
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif; color: #1f2328; }
body { background: #fff; overflow-wrap: anywhere; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #d1d9e0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border: 1px solid #d1d9e0; padding: 0.3rem 0.7rem; text-align: left; vertical-align: top; }
th { background: #f6f8fa; }
.r { text-align: right; white-space: nowrap; }
pre { background: #f6f8fa; padding: 0.8rem; white-space: pre-wrap; }
figure { margin: 1.5rem 0; }
img { max-width: 100%; height: auto; }
figcaption { color: #59636e; font-size: 0.9rem; }
"""


def _markdown(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {_escaped(text)}"
        case Paragraph(text):
            return _escaped(text)
        case Code(text):
            fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
            return f"{fence}\n{text}\n{fence}"
        case Table(align, header, rows):
            rule = ["---:" if letter == "r" else "---" for letter in align]
            cells = [[_escaped(cell) for cell in row] for row in (header, *rows)]
            return "\n".join(f"| {' | '.join(row)} |" for row in (cells[0], rule, *cells[1:]))
        case Picture(file, alt, caption):
            return f"![{_escaped(alt)}]({file})\n\n{_escaped(caption)}"


def _html(block: Block) -> str:
    match block:
        case Heading(text):
            return f"<h2>{html.escape(_line(text))}</h2>"
        case Paragraph(text):
            return f"<p>{html.escape(_line(text))}</p>"
        case Code(text):
            return f"<pre><code>{html.escape(text)}</code></pre>"
        case Table(align, header, rows):
            lines = [_row("th", align, header), *(_row("td", align, row) for row in rows)]
            return "<table>\n" + "\n".join(lines) + "\n</table>"
        case Picture(_, alt, caption, png):
            source = f"data:image/png;base64,{base64.b64encode(png).decode()}"
            image = f'<img src="{source}" alt="{html.escape(_line(alt))}">'
            return f"<figure>\n{image}\n<figcaption>{html.escape(_line(caption))}</figcaption>\n</figure>"


def _row(tag: str, align: str, cells: Sequence[str]) -> str:
    joined = "".join(
        f'<{tag} class="{letter}">{html.escape(_line(cell))}</{tag}>' for letter, cell in zip(align, cells, strict=True)
    )
    return f"<tr>{joined}</tr>"


def _escaped(text: str) -> str:
    """Escape what Markdown could read as markup; an underscore within a word is none."""
    return re.sub(r"[\\`*{}\[\]<>|~&#$]|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", _line(text))


def _line(text: str) -> str:
    """One line of printable characters: a line break would end a Markdown table's row."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
