"""Files and packets of every format version, as they were written once: they are read for ever.

The .q2d2 files of tests/data hold the same 150 frames of speech at four rates, made by the model
q2d2-24k-434260b5; indices.npz has all twelve pairs of every frame, packets.json packets of the
first ones. No model is needed to read them. What is written today has the same bytes; a new version
of a format gets files of its own here.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from q2d2_stream.config import CodecConfig
from q2d2_stream.container import Block, End, Header, Reader, Writer
from q2d2_stream.entropy import IndexCoder, Tables
from q2d2_stream.packet import PacketCoder

DATA = Path(__file__).parent / "data"
CONFIG = CodecConfig(rates=(3, 4, 6, 12))
PACKETS = json.loads((DATA / "packets.json").read_text())


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
