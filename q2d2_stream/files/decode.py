"""A coded file to a sound file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.errors import FormatError, ModelError
from q2d2_stream.files.codec import FileDecoder
from q2d2_stream.files.encode import FileResult, Progress
from q2d2_stream.files.output import SoundTarget
from q2d2_stream.files.reader import SoundSource, open_binary, source_name
from q2d2_stream.files.same_file import require_distinct
from q2d2_stream.files.sound_writer import sound_output
from q2d2_stream.files.tokens import NPZ_MAGIC, Tokens

__all__ = ["decode_file", "read_pieces"]

_PIECE_BYTES = 1024  # 5 s of sound at the lowest rate, 1 s at the highest
_TOKEN_FRAMES = 75  # decoded at once


def decode_file(
    source: SoundSource,
    target: SoundTarget,
    *,
    codec: Codec | None = None,
    file_format: str | None = None,
    progress: Progress | None = None,
) -> FileResult:
    """Decode a .q2d2 file, or a .npz file of tokens, to a mono sound file.

    What is damaged is concealed, and told in the warnings. The target appears when it is whole;
    what had its name before stays until then.

    Args:
        source: a path, "-" for standard input, or a file object.
        target: a path, "-" for standard output, or a file object.
        codec: what :func:`q2d2_stream.load_codec` gives; None loads the shipped models.
        file_format: "wav", "flac" or "ogg"; None: by the target's ending, "wav" for pipes.
        progress: called with the bytes of the source that are done.

    Raises:
        FormatError: the source is no such file.
        ModelError: another model made it.
        InputError: the source is the target, or an argument does not fit.
        OSError: a file cannot be read or written.
    """
    require_distinct({"the input": source}, {"the output": target})
    codec = codec or load_codec()
    show = progress or (lambda done, total: None)
    name = source_name(source)
    samples = 0
    warnings: list[str] = []
    try:
        with (
            open_binary(source) as stream,
            sound_output(target, codec.config.sample_rate, file_format) as out,
        ):
            for pcm in _decoded(stream, codec, warnings, show):
                out.write(pcm)
                samples += len(pcm)
    except (FormatError, ModelError) as error:
        raise type(error)(f"{name}: {error}") from error
    size = 0
    if isinstance(target, str | os.PathLike) and os.path.isfile(target):
        size = os.path.getsize(target)
    told = tuple(f"{name}: {sentence}" for sentence in warnings)
    return FileResult(samples / codec.config.sample_rate, size, told)


def read_pieces(stream: BinaryIO, count: int = _PIECE_BYTES) -> Iterator[bytes]:
    """The bytes of a stream as they come, up to ``count`` at a time."""
    while data := stream.read(count):
        yield data


def _decoded(
    stream: BinaryIO, codec: Codec, warnings: list[str], show: Progress
) -> Iterator[NDArray[np.float32]]:
    size = _size(stream)
    pieces = read_pieces(stream)
    start = b""
    while len(start) < len(NPZ_MAGIC) and (piece := next(pieces, b"")):
        start += piece
    if start.startswith(NPZ_MAGIC):
        tokens = Tokens.from_bytes(start + b"".join(read_pieces(stream, 1 << 16)))
        yield from _decoded_tokens(tokens, codec, show)
        return
    decoder, done = FileDecoder(codec), 0
    data = start
    while data:
        yield from decoder.push(data)
        done += len(data)
        show(done, size)
        data = next(pieces, b"")
    yield from decoder.finish()
    warnings += decoder.warnings
    if decoder.damages > len(decoder.warnings):
        warnings.append(f"and {decoder.damages - len(decoder.warnings)} more damages")


def _decoded_tokens(tokens: Tokens, codec: Codec, show: Progress) -> Iterator[NDArray[np.float32]]:
    rate = tokens.require(codec.config, codec.model_id, codec.model_hash)
    decoder, skip, left = codec.decoder(), rate.lookahead, tokens.samples
    for at in range(0, len(tokens.indices), _TOKEN_FRAMES):
        pcm = decoder.push(tokens.indices[at : at + _TOKEN_FRAMES])
        dropped, skip = min(skip, len(pcm)), max(0, skip - len(pcm))
        pcm = pcm[dropped:][:left]
        left -= len(pcm)
        yield pcm
        show(min(at + _TOKEN_FRAMES, len(tokens.indices)), len(tokens.indices))


def _size(stream: BinaryIO) -> int | None:
    """Of a regular file, in bytes; None where it is not known."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, AttributeError):
        return None
    return status.st_size or None if stat.S_ISREG(status.st_mode) else None
