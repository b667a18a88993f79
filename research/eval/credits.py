"""Whose voices and noises are heard in what is published: nothing without a credit here is."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CREDITS", "NOISE_CREDITS", "Credit"]


@dataclass(frozen=True)
class Credit:
    """Where a source of clips comes from.

    Attributes:
        origin: corpus and people, as its licence wants them named.
        licence: its name.
        url: of the corpus, or of the page that the clips were taken from.
    """

    origin: str
    licence: str
    url: str


_VCTK = Credit(
    "CSTR VCTK Corpus (Yamagishi, Veaux, MacDonald; University of Edinburgh), as on a demo page",
    "CC BY 4.0",
    "https://doi.org/10.7488/ds/2645",
)

CREDITS: dict[str, Credit] = {
    "alphanumeric_en": Credit(
        "Alphanumeric audio dataset (Sakshee5)",
        "MIT",
        "https://github.com/Sakshee5/alphanumeric-audio-dataset",
    ),
    "dpscodec_vctk": _VCTK,
    "nuwave_vctk": _VCTK,
}
"""By the source's name in :class:`research.eval.clips.Clip`; permissive licences only."""

NOISE_CREDITS: dict[str, Credit] = {
    "esc10": Credit(
        "ESC-10 (Karol J. Piczak, from recordings on Freesound)",
        "CC BY 3.0",
        "https://github.com/karolpiczak/ESC-10",
    ),
}
"""By what a file's name is before its number ("esc10-00")."""
