# SPDX-License-Identifier: BSD-2-Clause
"""What a host needs of the files that ``celosia generate`` and ``celosia build`` write."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from celosia.compiler.image import Image
from celosia.errors import InputError
from celosia.folder import IMAGE, MANIFEST, Folder
from celosia.records import decode


@dataclass(frozen=True)
class ModelFiles:
    """``clock_mhz`` is None, and ``labels`` are empty, where nothing tells them."""

    image: Image
    clock_mhz: float | None = None
    labels: tuple[str, ...] = ()


def load_model_files(path: Path | str) -> ModelFiles:
    """Reads an image, or the folder that has one as ``model.image``.

    Of a folder, the clock is that of the bitstream built there, else that of the board; without a
    manifest, as if the image was given alone.

    Raises:
        ImageError: the image is missing, damaged or of another version.
        InputError: the manifest of a folder is damaged, or a file was changed since.
    """
    path = Path(path)
    if not path.is_dir():
        return ModelFiles(Image.load(path))
    if not (path / MANIFEST).exists():
        return ModelFiles(Image.load(path / IMAGE))
    folder = Folder(path)
    image = folder.image()
    folder.check()
    built = _built(path / "build.json")
    clock = built.clock_mhz if built.fingerprint == image.config.fingerprint else None
    return ModelFiles(image, clock or folder.clock_mhz, folder.labels)


class _Built(msgspec.Struct):
    """What a host wants to know of ``build.json``."""

    fingerprint: int | None = None
    clock_mhz: Annotated[float, Meta(gt=0, le=1000)] | None = None


def _built(file: Path) -> _Built:
    try:
        return decode(file.read_bytes(), _Built)
    except FileNotFoundError:
        return _Built()
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(f"{file}: damaged ({error}); run 'celosia build' again") from None
