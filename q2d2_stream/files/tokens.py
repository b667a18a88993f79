"""Indices as arrays: .npz files for those who train models on them.

| name | what |
|---|---|
| `indices` | uint8 `(frames, pairs)`: the tokens, one row to a frame |
| `codebook_sizes` | int64 `(pairs,)`: how many values each column has |
| `bitrate` | the rate's name, "3" |
| `sample_rate`, `hop` | samples per second, and per frame |
| `lookahead` | samples by which decoded sound trails the original |
| `samples` | length of the sound |
| `model_id`, `model_hash` | of the model that made them, the hash in hexadecimal digits |

`numpy.load(path)` reads them, without this package and without pickles.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from q2d2_stream.config import CodecConfig, Rate
from q2d2_stream.errors import FormatError, InputError, ModelError

__all__ = ["NPZ_MAGIC", "Tokens"]

NPZ_MAGIC = b"PK\x03\x04"


@dataclass(frozen=True)
class Tokens:
    """The indices of a whole sound.

    Attributes:
        indices: uint8 ``(frames, pairs)``.
        bitrate: name of the rate.
        samples: length of the sound in samples.
        model_id, model_hash: of the model that made them.
    """

    indices: NDArray[np.uint8]
    bitrate: str
    samples: int
    model_id: str
    model_hash: bytes

    def to_bytes(self, config: CodecConfig) -> bytes:
        """The .npz file; raises InputError where ``config`` has no such bit rate."""
        stream = io.BytesIO()
        rate = config.find_rate(self.bitrate)
        np.savez(
            stream,
            indices=self.indices,
            codebook_sizes=np.array(rate.sizes_of(self.indices.shape[1])),
            bitrate=np.array(rate.name),
            sample_rate=np.array(config.sample_rate),
            hop=np.array(config.hop),
            lookahead=np.array(rate.lookahead),
            samples=np.array(self.samples),
            model_id=np.array(self.model_id),
            model_hash=np.array(self.model_hash.hex()),
        )
        return stream.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> Tokens:
        """Inverse of :meth:`to_bytes`; raises FormatError for anything else."""
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                indices = np.asarray(file["indices"])
                if indices.dtype != np.uint8 or indices.ndim != 2:
                    raise FormatError(
                        f"the indices are {indices.dtype} of shape {indices.shape}, expected "
                        "uint8 of shape (frames, pairs)"
                    )
                return cls(
                    indices,
                    str(file["bitrate"]),
                    int(file["samples"]),
                    str(file["model_id"]),
                    bytes.fromhex(str(file["model_hash"])),
                )
        except FormatError:
            raise
        except (
            ValueError, KeyError, TypeError, EOFError, OSError, MemoryError, OverflowError,
            NotImplementedError, zipfile.BadZipFile,
        ) as error:  # fmt: skip
            raise FormatError(f"this is not a .npz file of tokens ({error})") from error

    def require(self, config: CodecConfig, model_id: str, model_hash: bytes) -> Rate:
        """Their rate; raises ModelError unless the model made them, FormatError unless it could."""
        if self.model_hash != model_hash:
            raise ModelError(
                f"these tokens were made by model {self.model_id} ({self.model_hash.hex()}), but "
                f"the model here is {model_id} ({model_hash.hex()}): decode them with that one"
            )
        try:
            rate = config.width_to_rate(self.indices.shape[1])
        except InputError as error:
            raise FormatError(f"these tokens make no sense: {error}") from error
        held = max(0, len(self.indices) * config.hop - rate.lookahead)
        sizes = np.array(rate.sizes_of(self.indices.shape[1]))
        if not 0 <= self.samples <= held or (self.indices >= sizes).any():
            raise FormatError(
                f"these tokens make no sense: {self.samples} samples in {len(self.indices)} "
                "frames, or an index beyond its codebook"
            )
        return rate
