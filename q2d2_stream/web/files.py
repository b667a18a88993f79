"""Which files a browser may get: a table made once, so that no request ever names a path."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from q2d2_stream.errors import InputError

__all__ = ["MODELS", "PAGE", "WebFile", "built_files"]

PAGE = Path(__file__).parent / "page"
MODELS = Path(__file__).parents[1] / "models"

# What the page's codec reads, of the models that are installed.
_MODEL_FILES = ("encoder.int8.tflite", "decoder.int8.tflite", "indices.tables")
_SUFFIXES = {"br": ".br", "gzip": ".gz"}
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".ogg": "audio/ogg",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".wasm": "application/wasm",
    ".wav": "audio/wav",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}


@dataclass(eq=False)
class WebFile:
    """A file that a browser may get.

    Attributes:
        content_type: of its bytes.
        digest: names its bytes.
        is_immutable: whether its address changes with its bytes, so that a browser need not ask
            again.
        variants: where its bytes lie by content coding: "identity", "br", "gzip".
    """

    content_type: str
    digest: str
    is_immutable: bool
    variants: Mapping[str, Path]
    _gzipped: bytes | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def codings(self) -> tuple[str, ...]:
        """Content codings that there are, the shortest first."""
        return tuple(coding for coding in ("br", "gzip") if coding == "gzip" or self._has(coding))

    def open(self, coding: str) -> Path | bytes:
        """The bytes in a coding, or the file that holds them.

        What was not compressed when the page was built (the models) is compressed once, which
        takes some tenths of a second: call it in a thread.
        """
        if self._has(coding):
            return self.variants[coding]
        with self._lock:
            if self._gzipped is None:
                self._gzipped = gzip.compress(self.variants["identity"].read_bytes(), 9, mtime=0)
        return self._gzipped

    def _has(self, coding: str) -> bool:
        return coding in self.variants


def built_files(page: Path = PAGE, models: Path = MODELS) -> dict[str, WebFile]:
    """Every file by its address on the site: ``/`` is the call, ``/try`` is "hear yourself".

    Files below ``assets/`` carry the hash of their contents in their path.

    Args:
        page: the folder that ``make web`` wrote.
        models: the folder of the installed models.

    Raises InputError where the page was not built.
    """
    if not (page / "call.html").is_file():
        raise InputError(
            "the page for browsers was not built: install q2d2-stream from a wheel, or run "
            "'make web' in its source (needs node)"
        )
    files = {
        f"/{path.relative_to(page).as_posix()}": _file(path)
        for path in sorted(page.rglob("*"))
        if path.is_file() and path.suffix not in _SUFFIXES.values()
    }
    for name in _MODEL_FILES:
        files[f"/models/{name}"] = _file(models / name)
    for address in list(files):
        if address.endswith(".html"):
            short = address.removesuffix(".html")
            files["/" if short == "/call" else short] = files[address]
    return files


def _file(path: Path) -> WebFile:
    variants = {"identity": path}
    for coding, suffix in _SUFFIXES.items():
        packed = path.with_name(path.name + suffix)
        if packed.is_file():
            variants[coding] = packed
    return WebFile(
        content_type=_TYPES.get(path.suffix, "application/octet-stream"),
        digest=hashlib.sha256(path.read_bytes()).hexdigest()[:20],
        is_immutable="assets" in PurePosixPath(path).parts,
        variants=variants,
    )
