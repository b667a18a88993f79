"""Quality metrics that are small neural networks: DistillMOS, DNSMOS, PLCMOS, speaker similarity.

The first three hear only the coded speech and predict what listeners would say; they can be
pleased by clear speech that says the wrong words in another voice, so they are to be read beside
the word error rate and the speaker similarity. Arrays are float32 of shape ``(n,)``, 24 kHz mono.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
import types
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import MissingExtra
from research.eval.clips import SAMPLE_RATE, resample

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

__all__ = ["DistillMos", "DnsMos", "PlcMos", "SpeakerSimilarity"]

_PLCMOS_RATERS = 15


class DistillMos:
    """DistillMOS (Stahl and Gamper, 2025): mean opinion score from 1 to 5, no reference.

    Raises:
        MissingExtra: the package distillmos, xls-r-sqa or torch is not installed.
    """

    def __init__(self) -> None:
        try:
            import torch

            with _torchaudio_stand_in(), contextlib.redirect_stdout(io.StringIO()):
                from distillmos import ConvTransformerSQAModel

                self._model = ConvTransformerSQAModel().eval()
        except ImportError as error:
            raise MissingExtra(error.name or "distillmos", "eval", "DistillMOS") from error
        self._torch = torch

    def __call__(self, ref: npt.NDArray[np.float32], deg: npt.NDArray[np.float32]) -> float:
        """The score of ``deg``; ``ref`` is not looked at."""
        wide = self._torch.from_numpy(resample(deg, SAMPLE_RATE, 16_000))
        with self._torch.inference_mode():
            return float(self._model(wide[None]))


class DnsMos:
    """DNSMOS P.835 overall quality (Reddy et al., 2022): about 1 to 5, no reference.

    Raises:
        MissingExtra: the package speechmos or librosa is not installed.
    """

    def __init__(self) -> None:
        try:
            from speechmos import dnsmos
        except ImportError as error:
            raise MissingExtra(error.name or "speechmos", "eval", "DNSMOS") from error
        folder = Path(dnsmos.__file__).parent / "dnsmos_models"
        overall, p808 = str(folder / "sig_bak_ovr.onnx"), str(folder / "model_v8.onnx")
        self._model = dnsmos.DNSMOS(overall, p808)
        self._model.onnx_sess = _one_thread_session(overall)
        self._model.p808_onnx_sess = _one_thread_session(p808)

    def __call__(self, ref: npt.NDArray[np.float32], deg: npt.NDArray[np.float32]) -> float:
        """The score of ``deg``; ``ref`` is not looked at."""
        wide = np.clip(resample(deg, SAMPLE_RATE, 16_000), -1.0, 1.0)
        return float(self._model(wide, 16_000, False)["ovrl_mos"])


class PlcMos:
    """PLCMOS v2 (Diener et al., 2023): how well lost packets are hidden, 1 to 5, no reference.

    The network asks for a rater; the package draws fifteen at random, here the same fifteen
    serve every clip, so that the score is repeatable.

    Raises:
        MissingExtra: the package speechmos is not installed.
    """

    def __init__(self) -> None:
        try:
            from speechmos import plcmos
        except ImportError as error:
            raise MissingExtra(error.name or "speechmos", "eval", "PLCMOS") from error
        self._model = plcmos.PLCMOS()
        self._session = _one_thread_session(self._model.model_path)
        raters = np.random.default_rng(0).standard_normal((_PLCMOS_RATERS, 1, 64))
        self._raters = raters.astype(np.float32)

    def __call__(self, ref: npt.NDArray[np.float32], deg: npt.NDArray[np.float32]) -> float:
        """The score of ``deg``; ``ref`` is not looked at."""
        wide = np.clip(resample(deg, SAMPLE_RATE, 16_000), -1.0, 1.0)
        features = self._model.stft_transform(wide).astype(np.float32)[None, None]
        scores = [
            self._session.run(None, {"degraded_audio": features, "rater_embed": rater})[0]
            for rater in self._raters
        ]
        return float(np.mean(scores))


class SpeakerSimilarity:
    """Cosine of the speaker embeddings of ref and deg by Resemblyzer (GE2E), 0 to 1 (same).

    Raises:
        MissingExtra: the package Resemblyzer, librosa, torch or webrtcvad-wheels is not installed.
    """

    def __init__(self) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)
                import resemblyzer
        except ImportError as error:
            raise MissingExtra(error.name or "Resemblyzer", "eval", "Speaker similarity") from error
        self._preprocess = resemblyzer.preprocess_wav
        self._encoder = resemblyzer.VoiceEncoder("cpu", verbose=False)

    def __call__(self, ref: npt.NDArray[np.float32], deg: npt.NDArray[np.float32]) -> float:
        """How alike the voices of ``ref`` and ``deg`` are; speech without a voice scores 0."""
        original, coded = self._embed(ref), self._embed(deg)
        if original is None or coded is None:
            return 0.0
        return float(original @ coded)

    def _embed(self, pcm: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
        # Peaks are cut because the voice detector converts to int16 without saturation.
        wide = np.clip(resample(pcm, SAMPLE_RATE, 16_000), -1.0, 1.0)
        if not wide.any():
            return None
        voiced = self._preprocess(wide)
        if not len(voiced):
            return None
        return np.asarray(self._encoder.embed_utterance(voiced), np.float32)


def _one_thread_session(path: str) -> InferenceSession:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


@contextlib.contextmanager
def _torchaudio_stand_in() -> Iterator[None]:
    """An empty torchaudio while distillmos is imported.

    It imports torchaudio only to read files in its command line, and torchaudio has no release
    for every torch.
    """
    if importlib.util.find_spec("torchaudio") is not None:
        yield
        return
    sys.modules["torchaudio"] = types.ModuleType("torchaudio")
    try:
        yield
    finally:
        del sys.modules["torchaudio"]
