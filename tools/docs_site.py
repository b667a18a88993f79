"""Hooks of the documentation site, for what GitHub shows in another way.

Some documents live outside docs/: the research log lies beside the code that made it, and the
changelog where everybody looks for it. The site shows them too. Links are written for the
repository; here they become links of the site, and links to other files become plain code. Links to
sounds become players, a line that is a link to a program becomes the program, and the page of
commands gets what each command says to ``--help``.
"""

from __future__ import annotations

import contextlib
import io
import os
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[1]
_OUTSIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
_LOG = "research/log"
_LINK = re.compile(r"\[([^\]]*)\]\(((?!\w+:|#)[^)\s#]*)(#[^)\s]*)?\)")
_SOUND = re.compile(r"\[listen\]\(([^)\s]+\.ogg)\)")
_PROGRAM = re.compile(r"^\[(apps/\w+\.py)\]\(\S+\)$", re.MULTILINE)
_HELP = "<!-- command help -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the documents outside docs/."""
    log = sorted(f"{_LOG}/{path.name}" for path in (_ROOT / _LOG).iterdir())
    for uri in (*_OUTSIDE, *log):
        files.append(File(uri, str(_ROOT), config.site_dir, config.use_directory_urls))
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Makes a page of the repository one of the site."""
    here: str = page.file.src_uri
    is_outside = here in _OUTSIDE or here.startswith(_LOG)
    folder = posixpath.dirname(here if is_outside else f"docs/{here}")

    def target(match: re.Match[str]) -> str:
        text, link, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join(folder, link))
        uri = path.removeprefix("docs/")
        if files.get_file_from_path(uri) and (uri != path or not path.startswith("docs/")):
            return f"[{text}]({posixpath.relpath(uri, posixpath.dirname(here) or '.')}{anchor})"
        if not path.startswith("docs/") and (_ROOT / path).exists():
            return text if text.startswith("`") else f"{text} (`{path}`)"
        return match[0]  # mkdocs says that it is missing

    markdown = _PROGRAM.sub(_program, markdown)
    if _HELP in markdown:
        markdown = markdown.replace(_HELP, _command_help())
    return _LINK.sub(target, _SOUND.sub(_player, markdown))


def _player(match: re.Match[str]) -> str:
    """A link to a sound as something to play it with, in the page."""
    return f'<audio controls preload="none" src="{match[1]}" aria-label="{match[1]}"></audio>'


def _program(match: re.Match[str]) -> str:
    """A link to a program as the program."""
    return f"```python\n{(_ROOT / match[1]).read_text()}```"


def _command_help() -> str:
    """A section for every command, as it describes itself."""
    os.environ["COLUMNS"] = "88"
    names = re.findall(r"^    (\w+)  ", _help(), re.MULTILINE)
    return "\n".join(f"## q2d2 {name}\n\n```text\n{_help(name)}```\n" for name in names)


def _help(*command: str) -> str:
    from q2d2_stream.cli.main import main

    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.suppress(SystemExit):
        main([*command, "--help"])
    return text.getvalue()
