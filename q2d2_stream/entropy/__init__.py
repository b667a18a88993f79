"""Lossless coding of indices with the statistics of speech, sans-I/O.

See docs/reference/file_format.md.
"""

from __future__ import annotations

from q2d2_stream.entropy.indices import IndexCoder
from q2d2_stream.entropy.tables import Mode, RefinementTables, Tables

__all__ = ["IndexCoder", "Mode", "RefinementTables", "Tables"]
