"""Secrets as editors, shells and systems write them."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from q2d2_stream.errors import InputError
from q2d2_stream.files.secret_file import read_secret_file
from q2d2_stream.protocol import Secret

WORD = "grüße-genug-für-alle-é"


@pytest.mark.parametrize("end", ["", "\n", "\r\n", " \n\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_marked_encoding_is_read(encoding: str, end: str, tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_bytes((WORD + end).encode(encoding))
    assert read_secret_file(path) == WORD
    path.write_bytes(b"\xfe\xff" + (WORD + end).encode("utf-16-be"))
    assert read_secret_file(path) == WORD


@pytest.mark.parametrize(
    "data",
    [
        WORD.encode("latin-1"),
        WORD.encode("utf-16-le"),
        "only-ascii-here".encode("utf-16-be"),
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf\xff",
        bytes(70_000),
    ],
)
def test_what_is_no_text_is_one_sentence(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"secret\.txt .*, expected "):
        read_secret_file(path)


@given(st.text(min_size=8))
def test_one_word_is_one_secret(text: str) -> None:
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    passwords = {Secret(form).password for form in forms if len(form.encode()) >= 8}
    assert len(passwords) <= 1


def test_a_secret_that_is_no_text_is_one_sentence() -> None:
    with pytest.raises(InputError, match="not text in UTF-8"):
        Secret("gr\udcfc\udcdfe-genug")
