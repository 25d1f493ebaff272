"""What a measurement writes into a page stands in the place of the last one's, and nowhere else."""

import pytest

from training import pages

BEGIN = "<!-- written by make this -->\n"
OTHER = "<!-- written by make that -->\nkept\n<!-- end -->\n"


def test_text_is_put_in_place_of_what_is_shown(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{OTHER}before\n{BEGIN}old\n<!-- end -->\nafter\n{OTHER}")
    pages.write(page, BEGIN, pages.table(["a", "b"], [["1", "2"]]))
    table = "| a | b |\n| --- | --- |\n| 1 | 2 |\n"
    assert page.read_text() == f"# Title\n\n{OTHER}before\n{BEGIN}{table}<!-- end -->\nafter\n{OTHER}"
    assert pages.shown(page, BEGIN) == table


@pytest.mark.parametrize("text", ["# Title\n", f"# Title\n{OTHER}", f"# Title\n{BEGIN}no end\n"])
def test_page_without_the_place_is_left_alone(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(SystemExit, match=r"page\.md has no line <!-- written by make this -->"):
        pages.write(page, BEGIN, "new\n")
    assert page.read_text() == text
