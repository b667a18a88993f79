"""A whole sound to a .q2d2 file and back, piece by piece: engine and container joined, no I/O."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import Rate
from q2d2_stream.container import Block, End, Event, Header, Lost, Reader, Writer
from q2d2_stream.errors import FormatError

if TYPE_CHECKING:
    from q2d2_stream.engine import Codec
    from q2d2_stream.entropy import IndexCoder

__all__ = ["FileDecoder", "FileEncoder", "IndexSearch", "SoundEncoder"]

_CONCEALED_FRAMES = 75  # decoded at once while a gap lasts


class IndexSearch(Protocol):
    """What may stand in for an encoder; analysis by synthesis does."""

    @property
    def width(self) -> int:
        """How many numbers a frame has."""

    def push(self, pcm: NDArray[np.float32], /) -> NDArray[np.uint8]:
        """Whole frames -> the indices ``(frames, pairs)`` that are found by now, maybe none."""

    def finish(self) -> NDArray[np.uint8]:
        """The rest of the indices."""


class SoundEncoder:
    """Mono pcm of any length at the codec's sample rate in, indices out.

    Args:
        codec: encodes.
        bitrate: a rate of the codec's, by name ("3"), by kbps or as such; None for its default.
        search: in place of an encoder, of the same models and rate.

    Attributes:
        samples: samples pushed so far.
        rate: what is meant by ``bitrate``.

    Raises InputError for a bit rate that the model does not have.
    """

    def __init__(
        self,
        codec: Codec,
        bitrate: Rate | str | float | None = None,
        *,
        search: IndexSearch | None = None,
    ) -> None:
        self.samples = 0
        self.rate = codec.config.find_rate(bitrate)
        self._config = codec.config
        self._search = search
        self._encoder = search or codec.encoder(self.rate)
        self._rest = np.zeros(0, dtype=np.float32)

    def push(self, pcm: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The frames ``(n, pairs)`` that follow from ``(n,)`` more samples; any n will do."""
        self.samples += len(pcm)
        return self._encode(pcm)

    def finish(self) -> NDArray[np.uint8]:
        """The last frames: the sound is padded until its last sample can be decoded."""
        lookahead = self.rate.lookahead
        missing = -(self.samples + lookahead) % self._config.hop
        rest = self._encode(np.zeros(lookahead + missing, dtype=np.float32))
        return np.concatenate((rest, self._search.finish())) if self._search is not None else rest

    def _encode(self, pcm: NDArray[np.float32]) -> NDArray[np.uint8]:
        pcm = np.concatenate((self._rest, pcm))
        whole = len(pcm) - len(pcm) % self._config.hop
        self._rest = pcm[whole:]
        if not whole:
            return np.zeros((0, self._encoder.width), np.uint8)
        return self._encoder.push(pcm[:whole])


class FileEncoder:
    """Mono pcm at the codec's sample rate in, the bytes of a .q2d2 file out.

    Args:
        codec: of the encoder.
        encoder: new; None for one of the codec's default rate.
        entropy_coding: False packs all indices at their fixed size, as files of version 1 do.
    """

    def __init__(
        self, codec: Codec, encoder: SoundEncoder | None = None, entropy_coding: bool = True
    ) -> None:
        self._sound = encoder or SoundEncoder(codec)
        coder = codec.coder if entropy_coding else None
        self._writer = Writer(
            codec.config,
            codec.model_id,
            codec.model_hash,
            coder=coder,
            lookahead=self._sound.rate.lookahead,
        )

    @property
    def samples(self) -> int:
        """Samples pushed so far."""
        return self._sound.samples

    def header(self) -> bytes:
        """The file's first bytes; after :meth:`finish` they hold the number of samples."""
        return self._writer.header(self.samples or None)

    def push(self, pcm: NDArray[np.float32]) -> bytes:
        """The bytes that follow from ``(n,)`` more samples; any n will do."""
        return self._writer.push(self._sound.push(pcm))

    def finish(self) -> bytes:
        """The rest of the file."""
        return self._writer.push(self._sound.finish()) + self._writer.finish(self.samples)


class FileDecoder:
    """The bytes of a .q2d2 file in, mono pcm at the codec's sample rate out.

    What is damaged is concealed, and told in a sentence.

    Attributes:
        header: the file's header, None until it has been read.
        warnings: a sentence for every damage found, the first 20 only.
        damages: how many there were.
    """

    def __init__(self, codec: Codec) -> None:
        self.header: Header | None = None
        self.warnings: list[str] = []
        self.damages = 0
        self._codec = codec
        self._coder: IndexCoder | None = None
        self._decoder = codec.decoder()
        self._reader = Reader()
        self._frame = 0
        self._to_skip = 0
        self._given = 0
        # The end may lie anywhere in the last frame, and is known only after it.
        self._held = np.zeros(0, dtype=np.float32)

    def push(self, data: bytes) -> Iterator[NDArray[np.float32]]:
        """Decode the file's next bytes, of any length; yields pcm of shape ``(n,)``.

        Raises:
            FormatError: it is not a .q2d2 file.
            ModelError: another model made it.
        """
        for event in self._reader.feed(data):
            yield from self._take(event)

    def finish(self) -> Iterator[NDArray[np.float32]]:
        """Decode what is left; as long as the sound that was encoded, unless the end is missing."""
        for event in self._reader.close():
            yield from self._take(event)

    def _take(self, event: Event) -> Iterator[NDArray[np.float32]]:
        codec, config = self._codec, self._codec.config
        match event:
            case Header():
                # Tables that are here but not needed are not even read.
                coder = codec.coder if event.tables else None
                tables = coder.checksum if coder is not None else 0
                event.require(config, codec.model_id, codec.model_hash, tables)
                self._coder = coder
                self._to_skip = event.lookahead
                self._decoder = codec.decoder(late=event.lookahead > config.lookahead)
                self.header = event
            case Block():
                frames: list[NDArray[np.uint8] | None]
                try:
                    frames = list(event.indices(config, self._coder))
                except FormatError as error:
                    self._warn(str(error))
                    frames = [None] * event.frames
                self._decoder.seek(event.first_frame)
                yield self._decode(frames)
            case Lost():
                self._warn(_sentence(event, config.frame_rate))
                for start in range(0, event.frames, _CONCEALED_FRAMES):
                    count = min(_CONCEALED_FRAMES, event.frames - start)
                    yield self._decode([None] * count)
            case End():
                if not event.complete:
                    self._warn(f"the file is cut short after {event.frames} frames")
                rest = self._held
                if event.samples is not None:
                    rest = rest[: max(0, event.samples - self._given)]
                yield rest

    def _decode(self, frames: list[NDArray[np.uint8] | None]) -> NDArray[np.float32]:
        pcm = np.concatenate([self._held, *(self._decoder.push(frame) for frame in frames)])
        skipped = min(self._to_skip, len(pcm))
        self._to_skip -= skipped
        end = max(skipped, len(pcm) - self._codec.config.hop)
        self._held = pcm[end:]
        self._given += end - skipped
        return pcm[skipped:end]

    def _warn(self, sentence: str) -> None:
        self.damages += 1
        if len(self.warnings) < 20:
            self.warnings.append(sentence)


def _sentence(lost: Lost, frame_rate: float) -> str:
    what = []
    if lost.frames:
        what.append(f"{lost.frames} frames are lost and concealed")
    if lost.cut:
        what.append(f"{lost.cut} frames are missing and left out")
    if lost.skipped_bytes:
        what.append(f"{lost.skipped_bytes} bytes are damaged")
    return f"at {lost.first_frame / frame_rate:.2f} s {' and '.join(what)}"
