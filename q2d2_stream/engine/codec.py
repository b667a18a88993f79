"""The shipped models, loaded and checked once."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from q2d2_stream.config import CodecConfig
from q2d2_stream.engine.choice import available, choices, load_graph, model_file
from q2d2_stream.engine.graph import Graph
from q2d2_stream.engine.stream import StreamDecoder, StreamEncoder
from q2d2_stream.entropy import IndexCoder, Tables
from q2d2_stream.errors import MissingExtra, ModelError
from q2d2_stream.lattice import Lattice
from q2d2_stream.shaping import NoiseShaper

__all__ = ["MODEL_FORMAT", "TABLES_FILE", "Codec", "load_codec"]

MODEL_FORMAT = "1"
MODELS = Path(__file__).parent.parent / "models"
TABLES_FILE = "indices.tables"
"""Name of the entropy tables beside the model files."""

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
        has_denoiser: whether there is a file for ``encoder(denoise=True)``.
    """

    def __init__(
        self,
        load_graph: Callable[[str], Graph],
        engine: str = "other",
        precision: str = "fp32",
        tables: Path | None = None,
        has_denoiser: bool = False,
    ) -> None:
        """``load_graph`` loads the graph of a role, "encoder", "denoiser" or "decoder"; the first
        two only when they are needed, and so with ``tables``, the file of entropy tables."""
        self._tables, self.has_denoiser = tables, has_denoiser
        self._load_graph, self.engine, self.precision = load_graph, engine, precision
        metadata = self._decoder_graph.metadata
        self.config = CodecConfig.from_json(metadata["q2d2.codec"])
        self.model_id: str = metadata["q2d2.model_id"]
        self.model_hash = bytes.fromhex(metadata["q2d2.model_hash"])
        self.info: Mapping[str, Any] = json.loads(metadata["q2d2.info"])
        self._lattice = Lattice.of(self.config)
        self._feedback = json.loads(metadata.get("q2d2.feedback", "null"))
        self._shaper()  # what is wrong with it shall be said now

    def _shaper(self) -> NoiseShaper:
        return NoiseShaper(self._lattice, self._feedback)

    @cached_property
    def _decoder_graph(self) -> Graph:
        return _checked(self._load_graph("decoder"), "decoder")

    @cached_property
    def _encoder_graph(self) -> Graph:
        return self._load_encoder("encoder")

    @cached_property
    def _denoiser_graph(self) -> Graph:
        return self._load_encoder("denoiser")

    def _load_encoder(self, role: str) -> Graph:
        graph = _checked(self._load_graph(role), role)
        other = graph.metadata["q2d2.model_id"]
        if other != self.model_id:
            raise ModelError(
                f"the {role} is of model {other}, the decoder of {self.model_id}; "
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

    @property
    def denoiser_hash(self) -> str:
        """Tells one denoiser from another, which ``model_hash`` does not; empty where its file does
        not say. Raises ModelError when the folder of models has no denoiser."""
        return self._denoiser_graph.metadata.get("q2d2.denoiser_hash", "")

    @property
    def lattice(self) -> Lattice:
        """The grids of all pairs."""
        return self._lattice

    def encoder(self, rate: int = 2, denoise: bool = False) -> StreamEncoder:
        """A new encoder.

        Args:
            rate: index into ``config.rates``.
            denoise: the encoder that leaves out what is not speech. Its indices are for the same
                decoder, and it costs and delays as much as the other.

        Raises ModelError when the folder of models has no such encoder.
        """
        graph = self._denoiser_graph if denoise else self._encoder_graph
        return StreamEncoder(graph, self.config, self._shaper(), rate)

    def decoder(self) -> StreamDecoder:
        """A new decoder."""
        return StreamDecoder(self._decoder_graph, self.config, self._lattice)


def _checked(graph: Graph, role: str) -> Graph:
    found = graph.metadata.get("q2d2.format"), graph.metadata.get("q2d2.role")
    if found != (MODEL_FORMAT, role):
        raise ModelError(
            f"this model file says format {found[0]}, role {found[1]}; expected format "
            f"{MODEL_FORMAT}, role {role}: export it again with this version of q2d2-stream"
        )
    return graph


def load_codec(
    models: Path | str | None = None,
    engine: str = "auto",
    precision: str = "auto",
    denoise: bool = False,
) -> Codec:
    """The codec of a folder of models.

    All engines and precisions speak to each other: what differs is rounding.

    Args:
        models: folder with the model files (docs/embedding.md); None for the shipped ones.
        engine: "onnx" (onnxruntime), "tflite" (LiteRT) or "auto": the fastest that this machine
            can run.
        precision: "fp32", "int8" (the weights of the large layers) or "auto".
        denoise: of "auto", take what has the denoising encoder's file, too.

    Raises:
        ModelError: files missing, damaged, or of another format.
        InputError: an engine or a precision that does not exist.
        MissingExtra: the engine asked for is not installed.
    """
    folder = Path(models) if models is not None else MODELS
    wanted = choices(engine, precision)
    fits = [choice for choice in available(folder) if choice in wanted] or wanted[-1:]
    if denoise:  # what has its file first; of those, still the fastest
        fits.sort(key=lambda choice: not model_file(folder, "denoiser", choice).exists())
    for choice in fits:
        try:
            load = partial(load_graph, folder, choice=choice)
            return Codec(
                load,
                *choice,
                tables=folder / TABLES_FILE,
                has_denoiser=model_file(folder, "denoiser", choice).exists(),
            )
        except (ModelError, MissingExtra) as error:
            if choice == fits[-1]:
                raise
            _log.warning("%s; trying the next engine", error)
    raise AssertionError("choices() is never empty")
