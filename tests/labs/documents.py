"""The documents, their code blocks, and the parsers of the commands that they name."""

from __future__ import annotations

import argparse
import importlib
import re
import shlex
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest import mock

from tests.labs.paths import ROOT

__all__ = [
    "Block",
    "blocks",
    "documents",
    "options",
    "parser_of",
    "prose",
    "shell_commands",
    "subcommands",
]

MADE_BY_A_COMMAND = {"docs/topics/quality.md", "docs/samples/index.md"}
"""Documents that the evaluation writes: nobody edits them."""


def documents() -> list[Path]:
    """Every Markdown document that people write, paths relative to the checkout."""
    roots = [ROOT / "docs", ROOT / "research"]
    found = [*ROOT.glob("*.md"), *(path for root in roots for path in root.rglob("*.md"))]
    relative = sorted(path.relative_to(ROOT) for path in found)
    return [path for path in relative if str(path) not in MADE_BY_A_COMMAND]


class Block(str):
    """The text of a fenced code block; ``language`` and ``line`` say which."""

    language: str
    line: int


def blocks(path: Path, language: str | None = None) -> list[Block]:
    """The fenced code blocks of a document, of one language or of all."""
    found: list[Block] = []
    lines: list[str] = []
    opened: tuple[str, int] | None = None
    for number, line in enumerate((ROOT / path).read_text().splitlines(), start=1):
        fence = re.fullmatch(r"```(\w*)", line.strip())
        if fence and opened is None:
            opened, lines = (fence[1], number), []
        elif fence and opened is not None:
            block = Block("\n".join(lines) + "\n")
            block.language, block.line = opened
            found.append(block)
            opened = None
        elif opened is not None:
            lines.append(line)
    assert opened is None, f"{path}: the block of line {opened[1]} is not closed"
    return [block for block in found if language in (None, block.language)]


def prose(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of every line that is neither code nor a table."""
    inside = False
    for number, line in enumerate((ROOT / path).read_text().splitlines(), start=1):
        if line.strip().startswith("```"):
            inside = not inside
        elif not inside and not line.startswith("|"):
            yield number, line


def shell_commands(text: str) -> Iterator[list[str]]:
    """Our commands in a shell block, as argument lists: ``["q2d2", "encode", ...]``."""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&")
        lexer.whitespace_split = True
        command: list[str] = []
        for word in [*lexer, ";"]:
            if set(word) <= set(";|&"):
                yield from _ours(command)
                command = []
            else:
                command.append(word)


def _ours(words: list[str]) -> Iterator[list[str]]:
    while words and re.fullmatch(r"sudo|-u|q2d2|\w+=\S*", words[0]) and words[:1] != ["q2d2"]:
        words = words[2 if words[0] == "-u" else 1 :]
    if not words:
        return
    program = words[0].rsplit("/", 1)[-1]
    if program.startswith("python") and words[1:2] == ["-m"]:
        if words[2].split(".")[0] in ("research", "export"):
            yield words[2:]
    elif program.startswith("q2d2"):
        yield [program, *words[1:]]


class _Captured(BaseException):
    """Carries the parser of a command out of its ``main``."""


def _capture(module: str, arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser that ``main`` of a module makes for these arguments."""

    def capture(self: argparse.ArgumentParser, *_: object, **__: object) -> None:
        raise _Captured(self)

    main = importlib.import_module(module).main
    with mock.patch.object(argparse.ArgumentParser, "parse_args", capture):
        try:
            main(list(arguments))
        except _Captured as captured:
            parser: argparse.ArgumentParser = captured.args[0]
            return parser
    raise AssertionError(f"main of {module} parsed no arguments")


def parser_of(words: Sequence[str]) -> tuple[argparse.ArgumentParser, list[str]]:
    """The parser of a command line, and the arguments for it.

    Raises KeyError for a command that is none of ours.
    """
    program, *arguments = words
    if "." in program or program in ("research", "export"):
        package = (ROOT / program.replace(".", "/") / "__main__.py").exists()
        return _capture(f"{program}.__main__" if package else program, arguments), arguments
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    function = scripts[program].partition(":")[2]
    if function != "main":  # an older name of a sub-command
        arguments = [function, *arguments]
    return _capture("q2d2_stream.cli.main", arguments), arguments


def subcommands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The sub-commands of a parser by name."""
    return {
        name: sub
        for action in parser._actions
        if isinstance(action, argparse._SubParsersAction)
        for name, sub in action.choices.items()
    }


def options(words: Sequence[str]) -> set[str]:
    """Every option that a command takes."""
    parser, arguments = parser_of(words)
    sub = subcommands(parser).get(arguments[0]) if arguments else None
    return set((sub or parser)._option_string_actions)
