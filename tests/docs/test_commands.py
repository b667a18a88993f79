"""What the documents tell people to type is what the commands take."""

from __future__ import annotations

import argparse
import contextlib
import io
import re
from pathlib import Path

import pytest

from tests.labs.documents import (
    blocks,
    documents,
    options,
    parser_of,
    prose,
    shell_commands,
    subcommands,
)
from tests.labs.paths import ROOT

# The log tells what was typed on its day, the glossary what old names were.
HISTORY = {"docs/glossary.md", "CHANGELOG.md"}
MODULES = (
    "research.train",
    "research.train.validate",
    "research.train.weight_averaging",
    "research.eval",
    "export.onnx",
    "export.entropy",
    "export.restore",
)
OTHERS = {"--strict", "--user", "--no-deps", "--help"}  # of mkdocs, pip, every command


def _told() -> list[tuple[Path, list[str]]]:
    return [
        (path, words)
        for path in documents()
        if path.parts[0] != "research"
        for block in blocks(path, "sh")
        for words in shell_commands(block)
    ]


TOLD = _told()


def test_there_are_commands_in_the_documents() -> None:
    assert len(TOLD) > 20


def _needs_torch(words: list[str]) -> bool:
    return not words[0].startswith("q2d2")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        pytest.param(
            path,
            words,
            id=f"{path}: {' '.join(words)}",
            marks=[pytest.mark.train] if _needs_torch(words) else [],
        )
        for path, words in TOLD
    ],
)
def test_commands_are_understood(path: Path, words: list[str]) -> None:
    parser, arguments = parser_of(words)
    complaint = io.StringIO()
    status: object = 0
    with contextlib.redirect_stderr(complaint), contextlib.redirect_stdout(io.StringIO()):
        try:
            parser.parse_args(arguments)
        except SystemExit as end:
            status = end.code
    assert status == 0, f"{path}: {' '.join(words)}: {complaint.getvalue()}"


def _all_options() -> set[str]:
    found = set(OTHERS)
    for name in subcommands(parser_of(["q2d2", "info"])[0]):
        found |= options(["q2d2", name])
    for module in MODULES:
        found |= options([module])
    installer = (ROOT / "apps" / "pi" / "install.sh").read_text()
    return found | set(re.findall(r"--[a-z][a-z0-9-]+", installer))


@pytest.mark.train
def test_options_in_the_text_exist() -> None:
    known = _all_options()
    for path in documents():
        if path.parts[0] == "research" or str(path) in HISTORY:
            continue
        lines = [*prose(path), *enumerate((ROOT / path).read_text().splitlines())]
        named = {
            option
            for _, line in lines
            for code in re.findall(r"`([^`]+)`", line)
            for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", code)
        }
        assert named <= known, f"{path} names {sorted(named - known)}"


def test_an_option_that_does_not_exist_is_found() -> None:
    parser, arguments = parser_of(["q2d2", "encode", "in.wav", "out.q2d2", "--no-such-option"])
    assert isinstance(parser, argparse.ArgumentParser)
    with pytest.raises(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        parser.parse_args(arguments)


def test_the_messages_of_the_troubleshooting_guide_are_said() -> None:
    code = "".join(path.read_text() for path in (ROOT / "q2d2_stream").rglob("*.py"))
    said = re.sub(r"\{[^{}\n]*\}", "...", re.sub(r'"\s*\n\s*[fr]*"', "", code))
    rows = re.findall(
        r"^\| `(.+?)` \|", (ROOT / "docs/guides/troubleshooting.md").read_text(), re.MULTILINE
    )
    assert len(rows) >= 10
    for message in rows:
        for part in message.split("..."):
            assert part.strip() in said, f"nothing says {part.strip()!r}"
