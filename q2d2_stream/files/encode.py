"""A sound file to a coded file."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

import numpy as np

from q2d2_stream.config import Rate
from q2d2_stream.engine import Codec, load_codec
from q2d2_stream.errors import InputError
from q2d2_stream.files.codec import FileEncoder, IndexSearch, SoundEncoder
from q2d2_stream.files.output import SoundTarget, open_output
from q2d2_stream.files.reader import SoundReader, SoundSource, open_sound
from q2d2_stream.files.same_file import require_distinct
from q2d2_stream.files.tokens import Tokens

__all__ = ["CODED_FORMATS", "FileResult", "Progress", "encode_file"]

CODED_FORMATS = ("q2d2", "npz")

Progress: TypeAlias = Callable[[float, float | None], None]
"""Called with how much is done and of how much, None where that is not known."""


@dataclass(frozen=True)
class FileResult:
    """What came of a file.

    Attributes:
        seconds: length of the sound.
        bytes: size of the file that was written; 0 of a decoded one that went to a pipe.
        warnings: what was wrong with the input, a sentence each.
    """

    seconds: float
    bytes: int
    warnings: tuple[str, ...] = ()


def encode_file(
    source: SoundSource,
    target: SoundTarget,
    *,
    bitrate: Rate | str | float | None = None,
    codec: Codec | None = None,
    entropy_coding: bool = True,
    search: IndexSearch | None = None,
    file_format: str | None = None,
    progress: Progress | None = None,
) -> FileResult:
    """Encode a sound file, piece by piece: memory does not depend on its length.

        result = encode_file("speech.flac", "speech.q2d2", bitrate="3")
        print(result.seconds, result.bytes, *result.warnings)

    What is damaged in the sound becomes silence, what breaks off ends there, and either is a
    warning. The target appears when it is whole; what had its name before stays until then.

    Args:
        source: a path, "-" for standard input, or a file object; any format that libsndfile reads.
        target: a path, "-" for standard output, or a file object.
        bitrate: a rate of the model, "3" for 3 kbps; None for its default.
        codec: what :func:`q2d2_stream.load_codec` gives; None loads the shipped models.
        entropy_coding: False packs all indices at their fixed size.
        search: in place of the encoder, of the same models and rate.
        file_format: "q2d2", or "npz" for tokens as arrays (:mod:`q2d2_stream.files.tokens`); None:
            by the target's ending.
        progress: called with the seconds of sound that are done.

    Raises:
        InputError: the source is no sound, is the target, or an argument does not fit.
        ModelError: the models are missing or damaged.
        OSError: a file cannot be read or written.
    """
    kind = file_format or coded_format(target)
    if kind not in CODED_FORMATS:
        raise InputError(f"the format is {kind!r}, expected one of {', '.join(CODED_FORMATS)}")
    require_distinct({"the input": source}, {"the output": target})
    codec = codec or load_codec()
    show = progress or (lambda done, total: None)
    encoder = SoundEncoder(codec, bitrate, search=search)
    with open_sound(source, codec.config.sample_rate) as sound, open_output(target) as stream:
        if kind == "npz":
            size = _write_tokens(sound, stream, encoder, codec, show)
        else:
            size = _write_q2d2(sound, stream, FileEncoder(codec, encoder, entropy_coding), show)
        warnings = tuple(sound.warnings)
    return FileResult(encoder.samples / codec.config.sample_rate, size, warnings)


def coded_format(target: SoundTarget) -> str:
    """By the target's ending: "npz", or "q2d2" for all others."""
    if isinstance(target, str | os.PathLike) and Path(target).suffix.lower() == ".npz":
        return "npz"
    return "q2d2"


def _write_q2d2(sound: SoundReader, stream: BinaryIO, encoder: FileEncoder, show: Progress) -> int:
    """Write a .q2d2 file and return its size."""
    size = stream.write(encoder.header())
    is_pipe = not stream.seekable()
    begin = 0 if is_pipe else stream.tell() - size
    for pcm in sound:
        size += stream.write(encoder.push(pcm))
        if is_pipe:
            stream.flush()
        show(sound.position_s, sound.seconds)
    size += stream.write(encoder.finish())
    if not is_pipe:
        stream.seek(begin)
        stream.write(encoder.header())
        stream.seek(begin + size)
    return size


def _write_tokens(
    sound: SoundReader, stream: BinaryIO, encoder: SoundEncoder, codec: Codec, show: Progress
) -> int:
    """Write a .npz file and return its size."""
    frames = []
    for pcm in sound:
        frames.append(encoder.push(pcm))
        show(sound.position_s, sound.seconds)
    indices = np.concatenate([*frames, encoder.finish()])
    tokens = Tokens(indices, encoder.rate.name, encoder.samples, codec.model_id, codec.model_hash)
    data = tokens.to_bytes(codec.config)
    stream.write(data)
    return len(data)
