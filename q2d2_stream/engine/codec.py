"""The shipped models, loaded and checked once."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from q2d2_stream.config import CodecConfig, Rate
from q2d2_stream.engine.choice import (
    available,
    choices,
    load_runner,
)
from q2d2_stream.engine.runner import ModelRunner
from q2d2_stream.engine.sender_loop import SenderLoop
from q2d2_stream.engine.stream import StreamDecoder, StreamEncoder
from q2d2_stream.entropy import IndexCoder, Tables
from q2d2_stream.errors import MissingExtra, ModelError
from q2d2_stream.lattice import Lattice
from q2d2_stream.packet import PacketCoder
from q2d2_stream.quantizer import NoiseShaper
from q2d2_stream.refinement import RefinementCode

__all__ = ["MODEL_FORMAT", "TABLES_FILE", "Codec", "load_codec", "load_codecs"]

MODEL_FORMAT = "1"
MODELS = Path(__file__).parent.parent / "models"
TABLES_FILE = "indices.tables"
"""Name of the entropy tables beside the model files."""

_UNMEASURED_GAIN_DB = -1.0
"""Gain of models whose files do not tell theirs. Sharpened spectra (research.train.sharpen) have
1.5 dB more power; all such models were measured +0.9 to +1.25 dB above the original."""

_LARGEST_GAIN_DB = 20.0
_TYPICAL_FRAMES = 3  # of a packet, for the ladder's coded bit rates

_log = logging.getLogger(__name__)


class Codec:
    """A pair of models that belong together; makes encoders and decoders.

    The graphs hold no state, so one codec serves any number of streams, in any threads; one
    stream is for one thread at a time.

    Attributes:
        config: the bitstream's parameters.
        model_id: name of the weights; equal ids interoperate.
        model_hash: the first 8 bytes of the weights' SHA-256, which a call's two ends compare.
        info: sizes and costs: parameters_encoder, parameters_decoder, macs_per_frame_encoder,
            macs_per_frame_decoder, training.
        engine, precision: what runs the models: "onnx" or "tflite", "fp32" or "int8".
        refinement_code: how the rate with refinement sends errors; None where there is none.
    """

    def __init__(
        self,
        load_runner: Callable[[str], ModelRunner],
        engine: str = "other",
        precision: str = "fp32",
        tables: Path | None = None,
    ) -> None:
        """``load_runner`` loads the graph of a role, "encoder" or "decoder"; the first only when
        it is needed, and so with ``tables``, the file of entropy tables."""
        self._tables = tables
        self._load_graph, self.engine, self.precision = load_runner, engine, precision
        metadata = self._decoder_runner.metadata
        self.config = CodecConfig.from_json(metadata["q2d2.codec"])
        self.model_id: str = metadata["q2d2.model_id"]
        self.model_hash = bytes.fromhex(metadata["q2d2.model_hash"])
        self.info: Mapping[str, Any] = json.loads(metadata["q2d2.info"])
        self._lattice = Lattice.of(self.config)
        self._feedback = json.loads(metadata.get("q2d2.feedback", "null"))
        self._gain_db = _gains(metadata.get("q2d2.gain_db"), len(self.config.ladder))
        self.refinement_code = (
            RefinementCode.from_json(metadata.get("q2d2.refinement", ""))
            if self.config.refined
            else None
        )
        self._shaper()  # what is wrong with it shall be said now

    def _shaper(self) -> NoiseShaper:
        return NoiseShaper(self._lattice, self._feedback)

    @cached_property
    def _decoder_runner(self) -> ModelRunner:
        return _checked(self._load_graph("decoder"), "decoder")

    @cached_property
    def _encoder_runner(self) -> ModelRunner:
        graph = _checked(self._load_graph("encoder"), "encoder")
        other = graph.metadata["q2d2.model_id"]
        if other != self.model_id:
            raise ModelError(
                f"the encoder is of model {other}, the decoder of {self.model_id}; "
                "reinstall, or export both from one checkpoint"
            )
        return graph

    @cached_property
    def coder(self) -> IndexCoder | None:
        """Codes this model's indices in fewer bytes; None without tables that belong to it, and
        then indices are packed at their fixed size."""
        path = self._tables
        if path is None or not path.exists():
            return None
        try:
            tables = Tables.from_bytes(path.read_bytes(), self.config)
        except (ModelError, OSError) as error:
            _log.warning("%s cannot be used, indices keep their fixed size: %s", path.name, error)
            return None
        if tables.model_hash != self.model_hash:
            _log.warning(
                "%s belongs to other weights (%s), not to these (%s): indices keep their fixed "
                "size; make it again with python -m export.entropy",
                path.name,
                tables.model_hash.hex(),
                self.model_hash.hex(),
            )
            return None
        return IndexCoder(self.config, tables)

    @cached_property
    def packets(self) -> PacketCoder:
        """Packets of this model, entropy coded where :attr:`coder` is there."""
        return PacketCoder(self.config, self.coder)

    @cached_property
    def rates(self) -> tuple[Rate, ...]:
        """The ladder of bit rates, with what speech takes at each where there are tables."""
        coder = self.coder
        if coder is None:
            return self.config.ladder
        frame_rate = self.config.frame_rate / 1000
        return tuple(
            replace(
                rate,
                coded_kbps=coder.typical_bits(rate.index, _TYPICAL_FRAMES)
                / _TYPICAL_FRAMES
                * frame_rate,
            )
            for rate in self.config.ladder
        )

    @property
    def lattice(self) -> Lattice:
        """The grids of all pairs."""
        return self._lattice

    def encoder(
        self,
        bitrate: Rate | str | float | None = None,
        *,
        rate: int | None = None,
    ) -> StreamEncoder:
        """A new encoder.

        Args:
            bitrate: the name of a rate ("3"), a number of kilobits per second, or one of
                :attr:`rates`; None for the one nearest to 3 kbps. See
                :meth:`q2d2_stream.config.CodecConfig.find_rate`.
            rate: deprecated: a number of the ladder instead of ``bitrate``.

        Raises:
            InputError: the model has no such rate; the sentence lists those that it has.
            ModelError: the encoder's file is missing, damaged or of other weights.
        """
        if rate is not None:
            warnings.warn(
                "encoder(rate=INDEX) goes with the next release: say the bit rate, "
                'as in encoder(bitrate="3")',
                DeprecationWarning,
                stacklevel=2,
            )
            bitrate = self.config.index_to_rate(rate)
        wanted = self.config.find_rate(bitrate)
        refinement = None
        if self.refinement_code is not None:
            loop = SenderLoop(self._decoder_runner, self.config, self._lattice)
            refinement = self.refinement_code, loop
        encoder = StreamEncoder(
            self._encoder_runner, self.config, self._shaper(), self.packets, refinement
        )
        encoder.rate = wanted
        return encoder

    def decoder(self, late: bool = False) -> StreamDecoder:
        """A new decoder; with ``late`` its output is as late as that of the rate with refinement
        from the start on, so that no change of rate will ever change the delay."""
        return StreamDecoder(
            self._decoder_runner,
            self.config,
            self._lattice,
            self.packets,
            self._gain_db,
            self.refinement_code,
            late,
        )


def _gains(text: str | None, rates: int) -> list[float]:
    """The gains of ``rates`` rates in dB, of a model's metadata."""
    if text is None:
        return [_UNMEASURED_GAIN_DB] * rates
    try:
        gains = [float(gain) for gain in list(json.loads(text))]
    except (TypeError, ValueError) as error:
        raise ModelError(f"the model's gains are no list of numbers ({error})") from error
    if len(gains) != rates or not all(abs(gain) <= _LARGEST_GAIN_DB for gain in gains):
        raise ModelError(
            f"the model's gains are {gains} dB, expected {rates} numbers within "
            f"{_LARGEST_GAIN_DB:g} dB: export it again with this version of q2d2-stream"
        )
    return gains


def _checked(graph: ModelRunner, role: str) -> ModelRunner:
    found = graph.metadata.get("q2d2.format"), graph.metadata.get("q2d2.role")
    if found != (MODEL_FORMAT, role):
        raise ModelError(
            f"this model file says format {found[0]}, role {found[1]}; expected format "
            f"{MODEL_FORMAT}, role {role}: export it again with this version of q2d2-stream"
        )
    return graph


def load_codec(
    models: Path | str | None = None, engine: str = "auto", precision: str = "auto"
) -> Codec:
    """The codec of a folder of models.

    All engines and precisions speak to each other: what differs is rounding.

    Args:
        models: folder with the model files (docs/guides/embedding.md); None for the shipped ones.
        engine: "onnx" (onnxruntime), "tflite" (LiteRT) or "auto": the fastest that this machine
            can run.
        precision: "fp32", "int8" (the weights of the large layers) or "auto".

    Raises:
        ModelError: files missing, damaged, or of another format.
        InputError: an engine or a precision that does not exist.
        MissingExtra: the engine asked for is not installed.
    """
    folder = Path(models) if models is not None else MODELS
    wanted = choices(engine, precision)
    fits = [choice for choice in available(folder) if choice in wanted] or wanted[-1:]
    for choice in fits:
        load = partial(load_runner, folder, choice=choice)
        try:
            return Codec(load, *choice, tables=folder / TABLES_FILE)
        except (ModelError, MissingExtra) as error:
            if choice == fits[-1]:
                raise
            _log.warning("%s; trying the next engine", error)
    raise AssertionError("choices() is never empty")


def load_codecs(
    models: Path | str | None = None, engine: str = "auto", precision: str = "auto"
) -> list[Codec]:
    """The codecs of a folder and of the folders within it, for calls with peers of other versions.

    The folder's own is first, then those of its sub-folders, the last name first. Those of a
    sub-folder that cannot be used are left out with a warning.

    Args and errors are as of :func:`load_codec`.
    """
    folder = Path(models) if models is not None else MODELS
    codecs = [load_codec(folder, engine, precision)]
    for inner in sorted(folder.iterdir(), reverse=True):
        if not (inner.is_dir() and any(inner.glob("decoder*"))):
            continue
        try:
            codec = load_codec(inner, engine, precision)
        except (ModelError, MissingExtra) as error:
            _log.warning("the models in %s are left out: %s", inner, error)
            continue
        if all(codec.model_hash != other.model_hash for other in codecs):
            codecs.append(codec)
    return codecs
