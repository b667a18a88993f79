"""What a browser's request gets: pure, without sockets and without the clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import unquote

from q2d2_stream.web.files import WebFile

__all__ = ["Answer", "Site"]

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self' 'wasm-unsafe-eval'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "media-src": "'self' blob:",
    "connect-src": "'self'",
    "worker-src": "'self'",
    "manifest-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'none'",
    "frame-ancestors": "'none'",
}
_HEADERS = {
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_PLAIN = "text/plain; charset=utf-8"
_ONE_YEAR = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Answer:
    """A response.

    Attributes:
        status: of HTTP.
        headers: without those about length and connection.
        load: gives the body, or the file that holds it; it may take a moment. None: no body.
    """

    status: HTTPStatus
    headers: Mapping[str, str]
    load: Callable[[], bytes | Path] | None = None


class Site:
    """Answers requests for the files of a page.

    Args:
        files: by address, see :func:`q2d2_stream.web.files.built_files`.
        about: what the page asks for at ``/about.json``: what it was served by.
        connects_to: where the page may connect beside this site, as a content security policy has
            it.
    """

    def __init__(
        self,
        files: Mapping[str, WebFile],
        about: Mapping[str, object],
        connects_to: Sequence[str] = (),
    ) -> None:
        self._files = files
        connect = " ".join((_POLICY["connect-src"], *connects_to))
        policy = {**_POLICY, "connect-src": connect}
        lines = "; ".join(f"{name} {value}" for name, value in policy.items())
        self._headers = {"Content-Security-Policy": lines, **_HEADERS}
        self._about = json.dumps(about).encode()

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        """The response to a request.

        Args:
            method: such as "GET".
            target: path and query as they were sent.
            headers: of the request, found by any case.
        """
        if method not in ("GET", "HEAD"):
            allow = {"Allow": "GET, HEAD"}
            return self._text(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", allow)
        address = unquote(target.partition("?")[0].partition("#")[0])
        if address == "/about.json":
            about = {"Content-Type": "application/json", "Cache-Control": "no-store"}
            return Answer(HTTPStatus.OK, {**about, **self._headers}, lambda: self._about)
        file = self._files.get(address)
        if file is None:
            return self._text(HTTPStatus.NOT_FOUND, "there is no such page here")
        coding = choose_coding(headers.get("Accept-Encoding", ""), file.codings)
        tag = f'"{file.digest}-{coding}"'
        answered = {
            "ETag": tag,
            "Cache-Control": _ONE_YEAR if file.is_immutable else "no-cache",
            "Vary": "Accept-Encoding",
            **self._headers,
        }
        if _matches(headers.get("If-None-Match", ""), tag):
            return Answer(HTTPStatus.NOT_MODIFIED, answered)
        answered["Content-Type"] = file.content_type
        if coding != "identity":
            answered["Content-Encoding"] = coding
        return Answer(HTTPStatus.OK, answered, lambda: file.open(coding))

    def _text(
        self, status: HTTPStatus, text: str, headers: Mapping[str, str] | None = None
    ) -> Answer:
        about = {"Content-Type": _PLAIN, "Cache-Control": "no-store"}
        return Answer(
            status, {**about, **self._headers, **(headers or {})}, lambda: f"{text}\n".encode()
        )


def choose_coding(accepted: str, offered: tuple[str, ...]) -> str:
    """The first of ``offered`` that ``Accept-Encoding`` takes (RFC 9110, 12.5.3), or "identity"."""
    weights: dict[str, float] = {}
    for item in accepted.lower().split(","):
        name, _, parameter = item.partition(";")
        key, _, value = parameter.strip().partition("=")
        try:
            weights[name.strip()] = float(value) if key.strip() == "q" else 1.0
        except ValueError:
            weights[name.strip()] = 0.0
    for coding in offered:
        if weights.get(coding, weights.get("*", 0.0)) > 0:
            return coding
    return "identity"


def _matches(condition: str, tag: str) -> bool:
    tags = [item.strip().removeprefix("W/") for item in condition.split(",")]
    return tag in tags or "*" in tags
