"""Draws the block diagrams of the documents: ``docs/pictures/*.svg``.

Boxes on a grid, joined by arrows; nothing but text, so that a change of the code is one line here.

    python tools/draw_diagrams.py
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

__all__ = ["DIAGRAMS", "Diagram"]

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"

_FONT = "font-family='Helvetica, Arial, sans-serif'"
_COLOURS = {  # fill and line of a box
    "learned": ("#e8eaf6", "#3f51b5"),
    "fixed": ("#e0f2f1", "#00796b"),
    "data": ("#ffffff", "#9e9e9e"),
    "world": ("#fff3e0", "#ef6c00"),
}
_LINE_PX = 15


@dataclass
class Diagram:
    """An SVG of boxes and arrows; all lengths in pixels, the origin top left."""

    width: int
    height: int
    _parts: list[str] = field(default_factory=list)

    def box(
        self, x: int, y: int, text: str, kind: str = "fixed", *, width: int = 130, height: int = 48
    ) -> None:
        """A box with its top left corner at (x, y); the first line of ``text`` is bold."""
        fill, line = _COLOURS[kind]
        self._parts.append(
            f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='6' fill='{fill}' "
            f"stroke='{line}' stroke-width='1.3'/>"
        )
        lines = text.split("\n")
        top = y + height / 2 - (len(lines) - 1) * _LINE_PX / 2 + 4.5
        for number, words in enumerate(lines):
            self.text(x + width // 2, top + number * _LINE_PX, words, bold=number == 0)

    def text(
        self, x: float, y: float, words: str, *, bold: bool = False, anchor: str = "middle",
        size: int = 12, colour: str = "#212121",
    ) -> None:  # fmt: skip
        """One line of text with its baseline at y."""
        weight = " font-weight='600'" if bold else ""
        self._parts.append(
            f"<text x='{x:g}' y='{y:g}' text-anchor='{anchor}' font-size='{size}' "
            f"fill='{colour}'{weight}>{escape(words)}</text>"
        )

    def arrow(self, *points: tuple[int, int], label: str = "", dashed: bool = False) -> None:
        """A line through the points, with a head at the last; the label stands over its middle."""
        path = " ".join(f"{x},{y}" for x, y in points)
        dash = " stroke-dasharray='4 3'" if dashed else ""
        self._parts.append(
            f"<polyline points='{path}' fill='none' stroke='#616161' stroke-width='1.4'{dash} "
            "marker-end='url(#head)'/>"
        )
        if label:
            (x0, y0), (x1, y1) = points[0], points[1]
            if y0 == y1:
                self.text((x0 + x1) / 2, y0 - 5, label, size=11, colour="#616161")
            else:
                self.text(
                    x0 + 6, (y0 + y1) / 2 + 4, label, anchor="start", size=11, colour="#616161"
                )

    def frame(
        self, x: int, y: int, width: int, height: int, title: str, *, below: bool = False
    ) -> None:
        """A dashed frame around other things, titled inside its top edge, or ``below`` them."""
        self._parts.append(
            f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='10' fill='none' "
            "stroke='#bdbdbd' stroke-dasharray='5 4'/>"
        )
        line = y + height - 9 if below else y + 18
        self.text(x + 12, line, title, anchor="start", bold=True, colour="#757575")

    def svg(self) -> str:
        """The whole picture."""
        head = (
            "<defs><marker id='head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' "
            "markerHeight='7' orient='auto'><path d='M0,0 L8,4 L0,8 z' fill='#616161'/></marker>"
            "</defs>"
        )
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {self.width} {self.height}' "
            f"width='{self.width}' height='{self.height}' {_FONT}>\n{head}\n"
            f"<rect width='{self.width}' height='{self.height}' fill='#ffffff'/>\n"
            + "\n".join(self._parts)
            + "\n</svg>\n"
        )


def _system() -> Diagram:
    d = Diagram(900, 290)
    d.frame(10, 8, 880, 120, "sender")
    d.frame(10, 162, 880, 120, "receiver")
    senders = [
        ("microphone\n24 kHz mono", "world"),
        ("encoder\n12 latents", "learned"),
        ("quantizer\nnoise shaping", "fixed"),
        ("entropy coding\npacket", "fixed"),
        ("sending\nrate control, DTX", "fixed"),
    ]
    receivers = [
        ("loudspeaker", "world"),
        ("decoder\nconcealment", "learned"),
        ("playout\njitter buffer, stretch", "fixed"),
        ("entropy decoding", "fixed"),
        ("protocol\nsession, keys", "fixed"),
    ]
    labels = ["320 samples", "", "3 to 6 pairs", "2 to 10 bytes"]
    for row, boxes, forward in ((50, senders, True), (204, receivers, False)):
        for column, (text, kind) in enumerate(boxes):
            d.box(26 + 174 * column, row, text, kind, width=134, height=56)
        for column, label in enumerate(labels):
            left, right = 160 + 174 * column, 200 + 174 * column
            ends = [(left, row + 28), (right, row + 28)]
            d.arrow(*(ends if forward else ends[::-1]))
            if label:
                d.text((left + right) / 2, row - 8, label, size=11, colour="#616161")
    d.arrow((789, 106), (789, 204))
    d.text(778, 149, "WebSocket, UDP or serial line", anchor="end", size=11, colour="#616161")
    return d


def _encoder() -> Diagram:
    d = Diagram(900, 200)
    d.box(14, 76, "last 960 samples\nwindow, line off", "fixed", width=132)
    for row, text in enumerate(
        ["log magnitudes\n481 bins", "phasors\n128 bins, to 3.2 kHz", "autocorrelation\n353 lags"]
    ):
        d.box(186, 14 + 62 * row, text, "fixed", width=150)
        d.arrow((146, 100), (186, 38 + 62 * row))
        d.arrow((336, 38 + 62 * row), (376, 100))
    d.box(376, 70, "linear\n1090 to 192", "learned", width=96, height=60)
    d.box(500, 70, "6 causal\nConvNeXt blocks\n192 channels", "learned", width=122, height=60)
    d.box(650, 70, "linear, tanh\n12 latents", "learned", width=96, height=60)
    d.box(774, 70, "noise shaping\nnearest\ngrid point", "fixed", width=112, height=60)
    for left, right in ((472, 500), (622, 650), (746, 774)):
        d.arrow((left, 100), (right, 100))
    d.arrow((562, 70), (562, 46), (516, 46), (516, 70), dashed=True)
    d.text(575, 42, "state: 6 frames per block", size=11, colour="#616161", anchor="start")
    d.arrow((830, 130), (830, 170), label="indices")
    return d


def _decoder() -> Diagram:
    d = Diagram(900, 390)
    d.box(14, 26, "indices\nas grid points", "data", width=112)
    d.box(14, 84, "flags\nrate, or lost", "data", width=112)
    d.box(160, 62, "linear\n29 to 216", "learned", width=86)
    d.box(276, 52, "8 causal\nConvNeXt blocks\n216 channels", "learned", width=126, height=68)
    d.box(432, 62, "linear\nto the filters", "learned", width=128)
    d.arrow((126, 50), (160, 80))
    d.arrow((126, 108), (160, 92))
    d.arrow((246, 86), (276, 86))
    d.arrow((402, 86), (432, 86))
    d.arrow((350, 52), (350, 30), (310, 30), (310, 52), dashed=True)
    d.text(362, 28, "state", size=11, colour="#616161", anchor="start")
    d.frame(14, 174, 872, 208, "synthesis, once per frame", below=True)
    d.box(30, 200, "pulse train\nall harmonics of F0", "fixed", width=146, height=52)
    d.box(224, 200, "window, DFT\n640 samples", "fixed", width=104, height=52)
    d.box(376, 200, "x gain, phase\nand voicing", "fixed", width=116, height=52)
    d.box(224, 312, "noise\nrandom phases", "fixed", width=104, height=52)
    d.box(376, 312, "x gain\nof each bin", "fixed", width=116, height=52)
    d.box(558, 258, "sum", "fixed", width=46, height=44)
    d.box(634, 254, "inverse DFT\nwindow", "fixed", width=98, height=52)
    d.box(766, 254, "overlap-add\n320 samples", "world", width=104, height=52)
    d.arrow((176, 226), (224, 226))
    d.arrow((328, 226), (376, 226))
    d.arrow((328, 338), (376, 338))
    d.arrow((492, 226), (581, 226), (581, 258))
    d.arrow((492, 338), (581, 338), (581, 302))
    d.arrow((604, 280), (634, 280))
    d.arrow((732, 280), (766, 280))
    # what is predicted goes down to where it is used
    d.arrow((440, 110), (440, 152), (103, 152), (103, 200))
    d.text(112, 147, "F0: 64 classes, 60 to 500 Hz", size=11, colour="#616161", anchor="start")
    d.arrow((454, 110), (454, 200))
    d.text(459, 147, "gains, phases", size=11, colour="#616161", anchor="start")
    d.arrow((534, 110), (534, 288), (434, 288), (434, 312))
    d.text(540, 147, "gains", size=11, colour="#616161", anchor="start")
    return d


def _refinement() -> Diagram:
    d = Diagram(900, 330)
    d.frame(10, 8, 880, 170, "sender", below=True)
    d.box(26, 24, "original\n24 kHz mono", "world", width=112)
    d.box(200, 24, "encoder\nfirst pairs", "learned", width=122)
    d.box(200, 104, "decoder\nas the receiver's", "learned", width=122)
    d.box(402, 104, "levels\nof 40 bands", "fixed", width=106)
    d.box(402, 24, "levels\nof 40 bands", "fixed", width=106)
    d.box(556, 64, "difference", "fixed", width=92)
    d.box(700, 64, "quantize\ncoded or fixed", "fixed", width=122)
    d.arrow((138, 48), (200, 48))
    d.arrow((261, 72), (261, 104), label="pairs")
    d.arrow((322, 128), (402, 128))
    d.arrow((82, 24), (82, 16), (455, 16), (455, 24))
    d.arrow((508, 48), (602, 48), (602, 64))
    d.arrow((508, 128), (602, 128), (602, 112))
    d.arrow((648, 88), (700, 88))
    d.frame(10, 212, 880, 110, "receiver", below=True)
    d.box(200, 234, "decoder", "learned", width=122)
    d.box(402, 234, "window, DFT\n640 samples", "fixed", width=106)
    d.box(556, 234, "x gains", "fixed", width=92)
    d.box(700, 234, "overlap-add\none frame later", "world", width=122)
    d.arrow((322, 258), (402, 258))
    d.arrow((508, 258), (556, 258))
    d.arrow((648, 258), (700, 258))
    d.arrow((261, 88), (180, 88), (180, 258), (200, 258))
    d.text(172, 196, "pairs", anchor="end", size=11, colour="#616161")
    d.arrow((761, 112), (761, 196), (602, 196), (602, 234))
    d.text(754, 191, "refinement", anchor="end", size=11, colour="#616161")
    return d


_DOES = {
    "cli": "commands: options, display",
    "service": "calls without anybody there",
    "doctor": "can this machine call?",
    "netsim": "a simulated network",
    "call": "a call: client, server, statistics",
    "web": "the page for browsers, served",
    "transport": "WebSocket, UDP, serial, memory",
    "sending": "DTX, send queue, rate control",
    "relay": "rooms for many people",
    "rooms": "links, keys, members",
    "audio": "sound devices",
    "files": "sound files",
    "protocol": "messages, session, keys",
    "playout": "jitter buffer, stretch",
    "frames": "what protocol and playout share",
    "container": ".q2d2 files",
    "analysis_by_synthesis": "indices by running the decoder",
    "engine": "ONNX, LiteRT, streams",
    "model": "the network in torch",
    "packet": "frames in bytes that describe themselves",
    "entropy": "lossless coding of indices",
    "quantizer": "lattice with noise shaping",
    "packing": "indices in bytes of fixed size",
    "refinement": "the top rate corrects itself",
    "lattice": "grids and nearest points",
    "config": "rates, grids, frame length",
    "errors": "the error tree",
}


def _layers() -> Diagram:
    """The layers of the import contract in pyproject.toml, top to bottom."""
    tools = tomllib.loads((PICTURES.parents[1] / "pyproject.toml").read_text())["tool"]
    contracts = tools["importlinter"]["contracts"]
    rows = [
        [name.strip(" ()") for name in layer.split("|")]
        for contract in contracts
        if contract["type"] == "layers"
        for layer in contract["layers"]
    ]
    pure = {
        module.removeprefix("q2d2_stream.")
        for contract in contracts
        if "asyncio" in contract.get("forbidden_modules", ())
        for module in contract["source_modules"]
    } | {"refinement", "quantizer", "lattice", "config", "errors"}
    d = Diagram(900, 44 * len(rows) + 40)
    for number, names in enumerate(rows):
        width = 880 // len(names) - 8
        for column, name in enumerate(names):
            kind = "learned" if name in ("engine", "model", "analysis_by_synthesis") else "world"
            text = f"{name}\n{_DOES[name]}" if name in _DOES else name
            d.box(
                14 + (width + 8) * column, 10 + 44 * number, text,
                "fixed" if name in pure else kind, width=width, height=38,
            )  # fmt: skip
    foot = 44 * len(rows) + 30
    for x, kind, words in (
        (14, "fixed", "computes, without input and output"),
        (290, "learned", "runs the networks"),
        (480, "world", "talks to devices, files, sockets, people"),
    ):
        d.box(x, foot - 11, "", kind, width=14, height=14)
        d.text(x + 20, foot, words, anchor="start", size=11, colour="#616161")
    return d


DIAGRAMS = {
    "system": _system,
    "encoder": _encoder,
    "decoder": _decoder,
    "refinement": _refinement,
    "layers": _layers,
}


def main(names: Iterable[str] = DIAGRAMS) -> int:
    """Writes the pictures."""
    PICTURES.mkdir(exist_ok=True)
    for name in names:
        (PICTURES / f"{name}.svg").write_text(DIAGRAMS[name]().svg())
    return 0


if __name__ == "__main__":
    sys.exit(main())
