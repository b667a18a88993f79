"""Hooks of the documentation site: pages that live outside docs/, and links to files there.

The research log lies beside the code that made it, so that it is read in a checkout too. The site
shows it under ``research/log/``. Links between the two sets of pages are written for the
repository; here they are turned into links of the site, and links to other files of the repository
into plain code. Links to sounds become players.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[1]
_LOG = "research/log"
_LINK = re.compile(r"\[([^\]]*)\]\(((?!\w+:|#)[^)\s#]*)(#[^)\s]*)?\)")
_SOUND = re.compile(r"\[listen\]\(([^)\s]+\.ogg)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the research log to the pages of the site."""
    for path in sorted((_ROOT / _LOG).iterdir()):
        files.append(
            File(f"{_LOG}/{path.name}", str(_ROOT), config.site_dir, config.use_directory_urls)
        )
    return files


def on_page_markdown(markdown: str, page: Any, files: Files, **_: Any) -> str:
    """Rewrites links that leave the page's own tree."""
    here: str = page.file.src_uri
    in_repository = here if here.startswith(_LOG) else f"docs/{here}"

    def target(match: re.Match[str]) -> str:
        text, link, anchor = match[1], match[2], match[3] or ""
        path = posixpath.normpath(posixpath.join(posixpath.dirname(in_repository), link))
        uri = path.removeprefix("docs/")
        if (path.startswith("docs/") or path.startswith(_LOG)) and files.get_file_from_path(uri):
            return f"[{text}]({posixpath.relpath(uri, posixpath.dirname(here) or '.')}{anchor})"
        if not path.startswith("docs/") and (_ROOT / path).exists():
            return text if text.startswith("`") else f"{text} (`{path}`)"
        return match[0]  # mkdocs says that it is missing

    return _LINK.sub(target, _SOUND.sub(_player, markdown))


def _player(match: re.Match[str]) -> str:
    """A link to a sound becomes something to play it with, in the page."""
    return f'<audio controls preload="none" src="{match[1]}" aria-label="{match[1]}"></audio>'
