"""Files and packets of every format version, as they were written once: they are read for ever.

The .q2d2 files of tests/data hold the same 150 frames of speech at four rates, made by the model
q2d2-24k-434260b5; indices.npz has all twelve pairs of every frame, packets.json packets of the
first ones. Files named after bitstream version 1 are of the first model whose highest rate has
refinement. No model is needed to read them. What is written today has the same bytes; a new version
of a format gets files of its own here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from q2d2_stream.config import BITSTREAM_1, REFINEMENT_SYMBOLS, CodecConfig
from q2d2_stream.container import Block, End, Header, Reader, Writer
from q2d2_stream.entropy import IndexCoder, Tables
from q2d2_stream.packet import PacketCoder

DATA = Path(__file__).parent / "data"
CONFIG = CodecConfig(rates=(3, 4, 6, 12))
PACKETS = json.loads((DATA / "packets.json").read_text())
PACKETS1 = json.loads((DATA / "bitstream1_packets.json").read_text())


@pytest.fixture(scope="module")
def coder() -> IndexCoder:
    return IndexCoder(CONFIG, Tables.from_bytes((DATA / "version2.tables").read_bytes(), CONFIG))


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_every_version_is_read(version: int, coder: IndexCoder) -> None:
    stored = np.load(DATA / "indices.npz")
    indices, rates = stored["indices"], stored["rates"]
    reader = Reader()
    header, *blocks, end = reader.feed((DATA / f"version{version}.q2d2").read_bytes()) + (
        reader.close()
    )
    assert isinstance(header, Header)
    assert header.model_id == "q2d2-24k-434260b5"
    assert header.tables == (coder.checksum if version == 2 else 0)
    assert end == End(150, 149 * 320, complete=True)
    at = 0
    for block in blocks:
        assert isinstance(block, Block)
        assert block.first_frame == at
        assert block.coded == (version == 2)
        pairs = CONFIG.ladder[rates[at]].pairs
        found = block.indices(CONFIG, coder if version == 2 else None)
        np.testing.assert_array_equal(found, indices[at : at + block.frames, :pairs])
        at += block.frames
    assert at == 150


def test_a_file_is_written_as_it_was(coder: IndexCoder) -> None:
    golden = (DATA / "version2.q2d2").read_bytes()
    stored = np.load(DATA / "indices.npz")
    (header,) = [part for part in Reader().feed(golden) if isinstance(part, Header)]
    writer = Writer(CONFIG, header.model_id, header.model_hash, 25, coder)
    blocks = [
        writer.push(frame[None, : CONFIG.ladder[rate].pairs])
        for frame, rate in zip(stored["indices"], stored["rates"], strict=True)
    ]
    end = writer.finish(149 * 320)
    assert writer.header(149 * 320) + b"".join(blocks) + end == golden


@pytest.mark.parametrize("packet", PACKETS, ids=lambda packet: packet["packet"][:2])
def test_packets_stay_what_they_are(packet: dict[str, Any], coder: IndexCoder) -> None:
    packets = PacketCoder(CONFIG, coder if packet["coded"] else None)
    pairs = CONFIG.ladder[packet["rate"]].pairs
    indices = np.load(DATA / "indices.npz")["indices"][: packet["frames"], :pairs]
    data = bytes.fromhex(packet["packet"])
    np.testing.assert_array_equal(packets.decode(data), indices)
    assert packets.encode(indices) == data


@pytest.fixture(scope="module")
def coder1() -> IndexCoder:
    tables = Tables.from_bytes((DATA / "bitstream1.tables").read_bytes(), BITSTREAM_1)
    return IndexCoder(BITSTREAM_1, tables)


def stored1(frame: int) -> NDArray[np.uint8]:
    """The numbers of a frame of bitstream1.q2d2."""
    stored = np.load(DATA / "bitstream1.npz")
    rate = BITSTREAM_1.ladder[stored["rates"][frame]]
    width = rate.pairs + REFINEMENT_SYMBOLS * rate.refined
    numbers: NDArray[np.uint8] = stored["numbers"][frame, :width]
    return numbers


def test_bitstream_1_is_the_usual_one() -> None:
    """Never to be changed: another bitstream is another version."""
    assert BITSTREAM_1.to_json() == (
        '{"hop": 320, "lattice": "rhombic", "levels": [9, 9, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7], '
        '"lookahead": 320, "rates": [3, 4, 6], "refined": true, "sample_rate": 24000}'
    )
    sizes = [rate.codebook_sizes for rate in BITSTREAM_1.ladder]
    assert sizes[2] == (145, 85, 85, 85, 85, 85)
    assert sizes[3] == sizes[2] + (41,) * 3 + (13,) * 6


def test_a_file_of_bitstream_1_is_read_and_written(coder1: IndexCoder) -> None:
    golden = (DATA / "bitstream1.q2d2").read_bytes()
    reader = Reader()
    header, *blocks, end = reader.feed(golden) + reader.close()
    assert isinstance(header, Header)
    assert header.tables == coder1.checksum
    assert end == End(150, 149 * 320, complete=True)
    writer = Writer(BITSTREAM_1, header.model_id, header.model_hash, 25, coder1)
    written = [writer.push(stored1(frame)[None]) for frame in range(150)]
    tail = writer.finish(149 * 320)
    assert writer.header(149 * 320) + b"".join(written) + tail == golden
    at = 0
    for block in blocks:
        assert isinstance(block, Block)
        assert block.coded
        wanted = [stored1(frame) for frame in range(at, at + block.frames)]
        np.testing.assert_array_equal(block.indices(BITSTREAM_1, coder1), wanted)
        at += block.frames
    assert at == 150


@pytest.mark.parametrize("packet", PACKETS1, ids=lambda packet: packet["packet"][:2])
def test_packets_of_bitstream_1_stay_what_they_are(
    packet: dict[str, Any], coder1: IndexCoder
) -> None:
    packets = PacketCoder(BITSTREAM_1, coder1 if packet["coded"] else None)
    if "indices" in packet:
        indices = np.array(packet["indices"], np.uint8)
    else:
        first = packet["first"]
        indices = np.stack([stored1(n) for n in range(first, first + packet["frames"])])
    data = bytes.fromhex(packet["packet"])
    np.testing.assert_array_equal(packets.decode(data), indices)
    assert packets.encode(indices) == data
