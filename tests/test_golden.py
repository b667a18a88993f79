"""Files of every format version, as they were written once: they are decoded for ever.

The .q2d2 files of tests/data hold the same 150 frames of speech at four rates, made by the model
q2d2-24k-434260b5; indices.npz has all twelve pairs of every frame. No model is needed to read them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from q2d2_stream.config import CodecConfig
from q2d2_stream.container import Block, End, Header, Reader
from q2d2_stream.entropy import IndexCoder, Tables

DATA = Path(__file__).parent / "data"
CONFIG = CodecConfig(rates=(3, 4, 6, 12))


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_every_version_is_read(version: int) -> None:
    tables = Tables.from_bytes((DATA / "version2.tables").read_bytes(), CONFIG)
    stored = np.load(DATA / "indices.npz")
    indices, rates = stored["indices"], stored["rates"]
    reader = Reader()
    header, *blocks, end = reader.feed((DATA / f"version{version}.q2d2").read_bytes()) + (
        reader.close()
    )
    assert isinstance(header, Header)
    assert header.model_id == "q2d2-24k-434260b5"
    assert header.tables == (tables.checksum if version == 2 else 0)
    assert end == End(150, 149 * 320, complete=True)
    at = 0
    coder = IndexCoder(CONFIG, tables)
    for block in blocks:
        assert isinstance(block, Block)
        assert block.first_frame == at
        assert block.coded == (version == 2)
        pairs = CONFIG.ladder[rates[at]].pairs
        found = block.indices(CONFIG, coder if version == 2 else None)
        np.testing.assert_array_equal(found, indices[at : at + block.frames, :pairs])
        at += block.frames
    assert at == 150
