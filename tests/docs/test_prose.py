"""Documents are short, and their lines, links and numbers stay readable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.labs.documents import documents, prose
from tests.labs.paths import ROOT

MOST_COLUMNS = 120
LONGEST = {"README.md": 90, "docs/guides/train.md": 120}  # lines
_LINK = re.compile(r"\[[^\]]*\]\(((?!\w+:)[^)\s]+)\)")


@pytest.mark.parametrize("path", documents(), ids=str)
def test_lines_of_prose_are_short(path: Path) -> None:
    long = [number for number, line in prose(path) if len(line) > MOST_COLUMNS]
    assert not long, f"{path}: lines {long} have more than {MOST_COLUMNS} columns"


@pytest.mark.parametrize(("path", "most"), LONGEST.items())
def test_first_documents_are_short(path: str, most: int) -> None:
    assert len((ROOT / path).read_text().splitlines()) <= most


def test_no_paragraph_of_the_readme_is_full_of_numbers() -> None:
    paragraphs = "\n".join(line for _, line in prose(Path("README.md"))).split("\n\n")
    for paragraph in paragraphs:
        for item in re.split(r"\n(?=- )", paragraph):
            told = re.sub(r"\]\([^)]*\)|`[^`]*`", "", item)  # link targets and code are not read
            numbers = re.findall(r"(?<![\w.])\d[\d.]*", told)
            assert len(numbers) <= 3, item


def _anchors(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub and the site make them."""
    inside, found = False, set()
    for line in text.splitlines():
        if line.startswith("```"):
            inside = not inside
        elif not inside and (heading := re.match(r"#+ (.*)", line)):
            words = re.sub(r"[^\w\- ]", "", heading[1].lower())
            found.add(words.strip().replace(" ", "-"))
    return found


@pytest.mark.parametrize("path", documents(), ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    text = (ROOT / path).read_text()
    for link in _LINK.findall(re.sub(r"```.*?```", "", text, flags=re.DOTALL)):
        target, _, anchor = link.partition("#")
        file = (ROOT / path).parent / target if target else ROOT / path
        assert file.exists(), f"{path} links to {link}"
        if anchor:
            assert anchor in _anchors(file.read_text()), f"{path} links to {link}"


def test_the_glossary_uses_no_old_word_for_a_new_one() -> None:
    glossary = (ROOT / "docs" / "glossary.md").read_text()
    words = glossary[: glossary.index("## Old names")]
    for old in ("critic", "Lobby", "doorkeeper", "surprise", "hiss", "rung"):
        assert not re.search(rf"\b{old}\b", words), old
