# SPDX-License-Identifier: BSD-2-Clause
"""Names of a model's classes, from a file."""

from __future__ import annotations

from pathlib import Path

from celosia.errors import InputError


def load_labels(path: Path | str) -> list[str]:
    """Names of classes, one a line, of a text file in UTF-8, without the space around them and
    without empty lines at the end.

    Raises:
        InputError: the file cannot be read, or has no name.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no text in UTF-8 ({error}); save it as such") from None
    labels = [line.strip() for line in lines]
    while labels and not labels[-1]:
        labels.pop()
    if not labels:
        raise InputError(f"{path}: has no labels; write one a line")
    return labels
