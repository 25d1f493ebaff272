"""The part of a page of docs that a measurement writes: from a line of its own to the next comment.

For training, deploy and loadtests. Standard library only.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path


def shown(page: Path, begin: str) -> str:
    """The text between the line `begin` and the next comment. Exits with a message if the page lacks either."""
    found = re.search(f"{re.escape(begin)}(.*?)<!-- ", page.read_text(), re.DOTALL)
    if not found:
        sys.exit(f"{page} has no line {begin.strip()} with a comment after its text")
    return found[1]


def write(page: Path, begin: str, text: str) -> None:
    """Put text in place of what is shown."""
    page.write_text(page.read_text().replace(begin + shown(page, begin), begin + text, 1))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; each row has a text a column."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
