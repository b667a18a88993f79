"""Whose voices the evaluation clips are: only clips with a credit here are ever published."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["CREDITS", "Credit"]


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
"""By the source's name in :class:`q2d2_stream.eval.clips.Clip`; permissive licences only."""
