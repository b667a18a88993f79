"""The .q2d2 format: what is written is read, and no bytes whatever do more than be reported."""

from __future__ import annotations

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.config import CodecConfig
from q2d2_stream.container import Block, End, Event, Header, Lost, Reader, Writer
from q2d2_stream.container.layout import MAX_BLOCK_BYTES, SYNC, block_bytes, trailer_bytes
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import FormatError, InputError, ModelError
from tests.labs.entropy import coder as fitted_coder
from tests.labs.entropy import smooth_indices
from tests.labs.paths import ROOT

CONFIG = CodecConfig()
MODEL_ID, MODEL_HASH = "demo", bytes(range(8))
HEADER = Header.of(CONFIG, MODEL_ID, MODEL_HASH).to_bytes()


def frames_of(rate: int, count: int, seed: int = 0) -> np.ndarray:
    codes = CONFIG.codebook_sizes[: CONFIG.rates[rate]]
    return np.random.default_rng(seed).integers(0, codes, (count, len(codes)), dtype=np.uint8)


def samples_of(frames: int) -> int:
    """A length of sound that takes that many frames, one at least."""
    return max(0, frames * CONFIG.hop - CONFIG.lookahead - 100)


def file_of(*runs: np.ndarray, block_frames: int = 5, coder: IndexCoder | None = None) -> bytes:
    writer = Writer(CONFIG, MODEL_ID, MODEL_HASH, block_frames, coder)
    body = b"".join(writer.push(run) for run in runs)
    return writer.header() + body + writer.finish(samples_of(writer.frames))


def read(data: bytes, *cuts: int) -> list[Event]:
    reader = Reader()
    events: list[Event] = []
    for start, stop in zip((0, *cuts), (*cuts, len(data)), strict=True):
        events += reader.feed(data[start:stop])
    return events + reader.close()


def unpacked(events: list[Event]) -> list[tuple[int, ...] | None]:
    frames: list[tuple[int, ...] | None] = []
    for event in events:
        if isinstance(event, Block):
            frames += [tuple(row) for row in event.indices(CONFIG, CODER).tolist()]
        elif isinstance(event, Lost):
            frames += [None] * event.frames
    return frames


FILE = file_of(frames_of(0, 12), frames_of(3, 7), frames_of(2, 11))
CODER = fitted_coder(CONFIG)
SMOOTH = smooth_indices(CONFIG, 40)
CODED_FILE = file_of(SMOOTH[:12, :3], frames_of(3, 7), SMOOTH[12:24, :6], SMOOTH, coder=CODER)
BLOCKS = [m.start() for m in re.finditer(re.escape(SYNC), FILE)]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 20)), min_size=1, max_size=6),
    st.integers(1, 9),
)
def test_what_is_written_is_read(runs: list[tuple[int, int]], block_frames: int) -> None:
    written = [frames_of(rate, count, seed) for seed, (rate, count) in enumerate(runs)]
    events = read(file_of(*written, block_frames=block_frames))
    total = sum(map(len, written))
    assert events[0] == Header.from_bytes(HEADER)
    assert events[-1] == End(total, samples_of(total), complete=True)
    assert not any(isinstance(event, Lost) for event in events)
    assert unpacked(events) == [tuple(row) for run in written for row in run.tolist()]


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 20)), min_size=1, max_size=6),
    st.integers(1, 30),
)
def test_what_is_coded_is_read(runs: list[tuple[int, int]], block_frames: int) -> None:
    written = [smooth_indices(CONFIG, n, n)[:, : CONFIG.rates[rate]] for rate, n in runs]
    data = file_of(*written, block_frames=block_frames, coder=CODER)
    events = read(data)
    assert events[0] == Header.of(CONFIG, MODEL_ID, MODEL_HASH, tables=CODER.checksum)
    assert unpacked(events) == [tuple(row) for run in written for row in run.tolist()]
    assert len(data) <= len(file_of(*written, block_frames=block_frames)) + 4


def test_blocks_are_coded_where_that_is_shorter() -> None:
    events = read(CODED_FILE)
    blocks = [event for event in events if isinstance(event, Block)]
    assert {block.coded for block in blocks if 12 <= block.first_frame < 19} == {False}
    assert {block.coded for block in blocks if block.frames == 5 and block.rate == 2} == {True}
    assert CODED_FILE[8] == 2
    assert FILE[8] == 1
    assert len(CODED_FILE) < 0.9 * len(
        file_of(SMOOTH[:12, :3], frames_of(3, 7), SMOOTH[12:24, :6], SMOOTH)
    )


@given(st.sampled_from([FILE, CODED_FILE]), st.data())
def test_the_events_do_not_depend_on_the_cuts(file: bytes, data: st.DataObject) -> None:
    mangled = bytearray(file)
    for at in data.draw(st.lists(st.integers(len(HEADER) + 4, len(file) - 1), max_size=4)):
        mangled[at] ^= data.draw(st.integers(1, 255))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(file)), max_size=8)))
    assert read(bytes(mangled), *cuts) == read(bytes(mangled))


@given(st.sampled_from([FILE, CODED_FILE]), st.data())
def test_one_flipped_bit_costs_the_frames_of_one_block(file: bytes, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, len(file) * 8 - 1))
    mangled = bytearray(file)
    mangled[bit // 8] ^= 1 << bit % 8
    try:
        events = read(bytes(mangled))
    except FormatError:
        assert bit // 8 < len(HEADER) + 4 * (file is CODED_FILE)
        return
    whole, got = unpacked(read(file)), unpacked(events)
    end = events[-1]
    assert isinstance(end, End)
    if end.complete:
        assert len(got) == len(whole)
    else:  # the trailer was hit
        assert bit // 8 >= len(file) - 22
    assert got.count(None) <= 5
    assert all(a in (b, None) for a, b in zip(got, whole, strict=True))


@pytest.mark.parametrize("block", range(len(BLOCKS) - 1))
def test_decoding_goes_on_after_a_damaged_block(block: int) -> None:
    mangled = bytearray(FILE)
    mangled[BLOCKS[block] + 12] ^= 0x10
    events = read(bytes(mangled))
    lost = [event for event in events if isinstance(event, Lost)]
    length = BLOCKS[block + 1] - BLOCKS[block]
    assert len(lost) == 1
    assert lost[0].skipped_bytes == length
    assert lost[0].cut == 0
    assert events[-1] == read(FILE)[-1]


@given(st.integers(0, len(FILE) - 1))
def test_a_file_cut_short_gives_its_whole_blocks(length: int) -> None:
    try:
        events = read(FILE[:length])
    except FormatError:
        assert length < len(HEADER)
        return
    end = events[-1]
    assert isinstance(end, End)
    assert not end.complete
    got = unpacked(events)
    assert got == unpacked(read(FILE))[: len(got)]


@given(st.integers(len(HEADER), len(FILE) - 22), st.integers(0, 60))
def test_missing_bytes_are_missing_frames(at: int, count: int) -> None:
    events = read(FILE[:at] + FILE[min(at + count, len(FILE) - 22) :])
    assert len(unpacked(events)) == len(unpacked(read(FILE)))


@given(st.integers(len(HEADER), len(FILE) - 22), st.binary(max_size=200))
def test_foreign_bytes_are_skipped(at: int, junk: bytes) -> None:
    events = read(FILE[:at] + junk + FILE[at:])
    assert len(unpacked(events)) == len(unpacked(read(FILE)))
    assert events[-1] == read(FILE)[-1]


block_like = st.builds(
    block_bytes,
    rate=st.integers(0, 127),
    frames=st.integers(0, 255),
    first_frame=st.integers(0, 2**32 - 1) | st.integers(0, 300),
    payload=st.binary(max_size=30),
    coded=st.booleans(),
)
trailer_like = st.builds(trailer_bytes, st.integers(0, 2**32 - 1), st.integers(0, 2**64 - 1))
hostile = st.lists(block_like | trailer_like | st.binary(max_size=40), max_size=12).map(b"".join)


@given(st.sampled_from([b"", HEADER, HEADER[:9]]), hostile, st.lists(st.integers(0, 600)))
def test_hostile_bytes_are_refused_or_reported(start: bytes, rest: bytes, cuts: list[int]) -> None:
    data = start + rest
    try:
        events = read(data, *sorted(min(cut, len(data)) for cut in cuts))
    except FormatError:
        return
    assert isinstance(events[0], Header)
    assert isinstance(events[-1], End)
    position = 0
    for event in events[1:-1]:
        assert isinstance(event, Block | Lost)
        assert event.first_frame == position
        position += event.frames + (event.cut if isinstance(event, Lost) else 0)
        if isinstance(event, Block):
            try:
                assert event.indices(CONFIG, CODER).shape[0] == event.frames
            except FormatError:
                continue
    assert position == events[-1].frames
    lost = sum(event.frames for event in events if isinstance(event, Lost))
    assert lost <= 4500 + len(data)


@pytest.mark.slow
def test_memory_stays_bounded_whatever_the_bytes() -> None:
    worst = (SYNC + bytes((0, 75, 0, 0, 0, 0, 0, 16))) * 100  # each claims 4096 bytes to come
    reader = Reader()
    reader.feed(HEADER)
    tracemalloc.start()
    for _ in range(300):
        reader.feed(worst)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MAX_BLOCK_BYTES
    assert isinstance(reader.close()[-1], End)


def test_a_gap_too_long_to_be_believed_is_cut() -> None:
    data = HEADER + block_bytes(0, 1, 4_000_000_000, bytes(3))
    lost, block = read(data)[1:3]
    assert isinstance(lost, Lost)
    assert lost.frames <= 4500 + len(data)
    assert lost.frames + lost.cut == 4_000_000_000
    assert isinstance(block, Block)


def test_a_block_that_comes_twice_is_played_once() -> None:
    first = FILE[BLOCKS[0] : BLOCKS[1]]
    events = read(FILE[: BLOCKS[1]] + first + FILE[BLOCKS[1] :])
    assert unpacked(events) == unpacked(read(FILE))
    assert [e.skipped_bytes for e in events if isinstance(e, Lost)] == [len(first)]


def test_bytes_after_the_trailer_are_only_counted() -> None:
    events = read(FILE + FILE)
    assert events[-2:] == [Lost(30, 0, 0, len(FILE)), read(FILE)[-1]]


def test_a_block_of_another_codec_is_refused_by_its_indices() -> None:
    (block,) = Reader().feed(HEADER + block_bytes(7, 1, 0, b"abc"))[1:]
    assert isinstance(block, Block)
    with pytest.raises(FormatError, match=r"block at frame 0: the indices .* rate is 7"):
        block.indices(CONFIG)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "ends within its header, after 0 bytes"),
        (b"RIFF....WAVE", "not a .q2d2 file"),
        (HEADER.replace(b"\r\n", b"\n"), "not a .q2d2 file"),
        (HEADER[:8] + b"\x03" + HEADER[9:], "is of version 3, this package reads versions 1 and 2"),
        (HEADER[:8] + b"\x00" + HEADER[9:], "is of version 0, this package"),
        (HEADER[:8] + b"\x02" + HEADER[9:], "ends within its header"),
        (HEADER[:20] + b"\xff" + HEADER[21:], "its checksum is wrong"),
        (HEADER[:9] + b"\xff" + HEADER[10:], "its model id is too long"),
    ],
)
def test_what_is_no_file_is_refused_in_a_sentence(data: bytes, sentence: str) -> None:
    with pytest.raises(FormatError, match=sentence):
        read(data)


def test_another_model_is_refused_naming_both() -> None:
    header = Header.of(CONFIG, MODEL_ID, MODEL_HASH)
    header.require(CONFIG, MODEL_ID, MODEL_HASH)
    with pytest.raises(ModelError, match=r"model demo \(0001020304050607\).* here is other \(78"):
        header.require(CONFIG, "other", b"xxxxxxxx")
    with pytest.raises(ModelError, match="says 24000 Hz, frames of 320"):
        header.require(CodecConfig(hop=640), MODEL_ID, MODEL_HASH)


def test_other_tables_are_refused_naming_both() -> None:
    header = Header.of(CONFIG, MODEL_ID, MODEL_HASH, tables=0xABC)
    header.require(CONFIG, MODEL_ID, MODEL_HASH, 0xABC)
    with pytest.raises(ModelError, match=r"tables 00000abc, but those here are 00000001"):
        header.require(CONFIG, MODEL_ID, MODEL_HASH, 1)
    with pytest.raises(ModelError, match=r"tables 00000abc, but there are none here"):
        header.require(CONFIG, MODEL_ID, MODEL_HASH)
    Header.of(CONFIG, MODEL_ID, MODEL_HASH).require(CONFIG, MODEL_ID, MODEL_HASH, 1)


def test_a_coded_block_needs_its_coder() -> None:
    block = next(event for event in read(CODED_FILE) if isinstance(event, Block))
    with pytest.raises(FormatError, match="block at frame 0: the indices are entropy coded"):
        block.indices(CONFIG)


def test_the_header_may_be_filled_in_later() -> None:
    writer = Writer(CONFIG, MODEL_ID, MODEL_HASH)
    assert len(writer.header(1234)) == len(writer.header())
    header = Header.from_bytes(writer.header(1234))
    assert (header.samples, Header.from_bytes(writer.header()).samples) == (1234, None)


@pytest.mark.parametrize("samples", [1, 319, 320, 321, 10_000])
def test_frames_hold_the_sound_and_the_lookahead(samples: int) -> None:
    frames = Header.of(CONFIG, MODEL_ID, MODEL_HASH).frames(samples)
    assert (frames - 1) * CONFIG.hop < samples + CONFIG.lookahead <= frames * CONFIG.hop


def test_the_writer_refuses_what_it_cannot_write() -> None:
    with pytest.raises(InputError, match="model id"):
        Writer(CONFIG, "línea", MODEL_HASH)
    with pytest.raises(InputError, match="hash has 3 bytes"):
        Writer(CONFIG, MODEL_ID, b"abc")
    with pytest.raises(InputError, match="a block has 256 frames"):
        Writer(CONFIG, MODEL_ID, MODEL_HASH, 256)
    writer = Writer(CONFIG, MODEL_ID, MODEL_HASH)
    with pytest.raises(InputError, match="expected a uint8 array"):
        writer.push(np.zeros((1, 3)))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="5 indices"):
        writer.push(np.zeros((1, 5), np.uint8))
    writer.push(np.zeros((2, 3), np.uint8))
    with pytest.raises(InputError, match="take 33 frames, but 2 were written"):
        writer.finish(10_000)


def documented_example() -> bytes:
    writer = Writer(CONFIG, MODEL_ID, MODEL_HASH)
    body = writer.push(np.array([[1, 2, 3], [4, 5, 6]], np.uint8))
    body += writer.push(np.array([[144, 84, 0, 1, 2, 3]], np.uint8))
    return writer.header(500) + body + writer.finish(500)


def test_the_document_shows_the_bytes_that_the_code_writes() -> None:
    document = ROOT / "docs" / "reference" / "file_format.md"
    plain, coded = re.findall(r"```\n([0-9a-f \n]+)```", document.read_text())
    assert bytes.fromhex(plain) == documented_example()
    header = Header.of(CONFIG, MODEL_ID, MODEL_HASH, 500, tables=0x01020304)
    block = block_bytes(0, 3, 0, bytes.fromhex("b5d00b"), coded=True)
    assert bytes.fromhex(coded) == header.to_bytes() + block + trailer_bytes(3, 500)
