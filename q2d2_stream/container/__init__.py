"""The .q2d2 file format, sans-I/O: bytes in, events out (docs/reference/file_format.md)."""

from __future__ import annotations

from q2d2_stream.container.layout import Header
from q2d2_stream.container.reader import Block, End, Event, Lost, Reader
from q2d2_stream.container.writer import Writer

__all__ = ["Block", "End", "Event", "Header", "Lost", "Reader", "Writer"]
