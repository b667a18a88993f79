"""Frames of indices to the bytes of a .q2d2 file, without any I/O."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.arguments import require_indices
from q2d2_stream.config import CodecConfig
from q2d2_stream.container.layout import (
    MAX_BLOCK_FRAMES,
    MAX_PAYLOAD_BYTES,
    Header,
    block_bytes,
    trailer_bytes,
)
from q2d2_stream.entropy import IndexCoder
from q2d2_stream.errors import InputError
from q2d2_stream.packet import PacketCoder

__all__ = ["BLOCK_FRAMES", "Writer"]

# One second: 14 bytes around 188 at the lowest rate, and a damaged byte costs one second at most.
BLOCK_FRAMES = 75
_MAX_FRAMES = 2**32 - 1


class Writer:
    """Makes a file: :meth:`header`, then :meth:`push` as often as you like, then :meth:`finish`.

    Holds the frames of one unfinished block. Where the sound's length becomes known only at the
    end and the file can be rewritten, write ``header(samples)`` over the first bytes again.
    """

    def __init__(
        self,
        config: CodecConfig,
        model_id: str,
        model_hash: bytes,
        block_frames: int = BLOCK_FRAMES,
        coder: IndexCoder | None = None,
        lookahead: int | None = None,
    ) -> None:
        """Raises InputError where the model id or hash, or a block of that many frames, do not fit.

        Args:
            config: the codec that makes the indices.
            model_id: up to 64 printable ASCII characters.
            model_hash: 8 bytes.
            block_frames: frames to a block, 1 to 255; a change of rate ends a block earlier.
            lookahead: of the rates that come, where it is not ``config``'s.
            coder: codes blocks where that is shorter than packing; None packs all of them.
        """
        if not 1 <= block_frames <= MAX_BLOCK_FRAMES:
            raise InputError(f"a block has {block_frames} frames, expected 1 to {MAX_BLOCK_FRAMES}")
        if config.ladder[-1].most_bytes(block_frames) > MAX_PAYLOAD_BYTES:
            raise InputError(
                f"a block of {block_frames} frames is over {MAX_PAYLOAD_BYTES} bytes, "
                "expected fewer frames"
            )
        self._config = config
        self._packets = PacketCoder(config, coder)
        tables = coder.checksum if coder is not None else 0
        self._header = Header.of(config, model_id, model_hash, tables=tables, lookahead=lookahead)
        self._block_frames = block_frames
        self._pending: list[NDArray[np.uint8]] = []
        self._written = 0

    @property
    def frames(self) -> int:
        """Frames pushed so far."""
        return self._written + len(self._pending)

    def header(self, samples: int | None = None) -> bytes:
        """The file's first bytes, of a length that does not depend on ``samples``."""
        return replace(self._header, samples=samples).to_bytes()

    def push(self, indices: NDArray[np.uint8]) -> bytes:
        """Take frames ``(n, pairs)`` and return the bytes of every block they complete.

        Raises:
            InputError: indices that this codec does not make, or more than 2**32 - 1 frames.
        """
        require_indices(indices)
        self._config.width_to_rate(indices.shape[1])
        if self.frames + len(indices) > _MAX_FRAMES:
            raise InputError(f"a file holds up to {_MAX_FRAMES} frames, begin another one")
        done = b""
        if self._pending and len(self._pending[0]) != indices.shape[1]:
            done += self._end_block()
        for frame in indices:
            self._pending.append(frame.copy())
            if len(self._pending) == self._block_frames:
                done += self._end_block()
        return done

    def finish(self, samples: int) -> bytes:
        """The rest of the file, once all frames have been pushed.

        Args:
            samples: length of the sound; its frames and the look-ahead must have been pushed.

        Raises:
            InputError: the number of frames is not the one that the samples take.
        """
        if samples < 0 or self._header.frames(samples) != self.frames:
            raise InputError(
                f"{samples} samples and a look-ahead of {self._header.lookahead} take "
                f"{self._header.frames(samples)} frames, but {self.frames} were written"
            )
        return self._end_block() + trailer_bytes(self._written, samples)

    def _end_block(self) -> bytes:
        if not self._pending:
            return b""
        frames = np.stack(self._pending)
        rate = self._config.width_to_rate(frames.shape[1]).index
        payload = self._packets.encode_payload(frames)
        block = block_bytes(rate, len(frames), self._written, payload.data, payload.coded)
        self._written += len(frames)
        self._pending.clear()
        return block
