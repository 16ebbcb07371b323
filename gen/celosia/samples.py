# SPDX-License-Identifier: BSD-2-Clause
"""Input data of a model: from a file or an array to the tensor that the model defines."""

from __future__ import annotations

import tokenize
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celosia.errors import InputError

#: The first bytes of every .npy file (NumPy's NEP 1).
_MAGIC = b"\x93NUMPY"
#: What numpy raises for the headers and contents of damaged files.
_DAMAGES = (ValueError, EOFError, TypeError, OverflowError, SyntaxError, tokenize.TokenError)


def load_samples(path: Path | str) -> npt.NDArray[np.generic]:
    """The array in a ``.npy`` file.

    Raises:
        InputError: the file is missing, damaged, holds Python objects or a single number, or is
            larger than the memory.
    """
    try:
        with open(path, "rb") as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                raise InputError(f"{path}: not a .npy file; write one with numpy.save")
            file.seek(0)
            with warnings.catch_warnings():
                # About headers that Python 2 has written.
                warnings.simplefilter("ignore")
                array: npt.NDArray[np.generic] = np.load(file, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except MemoryError:
        raise InputError(
            f"{path}: damaged, or larger than the memory; write a smaller one with numpy.save"
        ) from None
    except _DAMAGES as error:
        if "allow_pickle" in str(error):
            raise InputError(
                f"{path}: holds Python objects, not numbers; write an array of int8 or floating "
                "point numbers with numpy.save"
            ) from None
        raise InputError(
            f"{path}: truncated or damaged ({error}); write it with numpy.save again"
        ) from None
    if array.ndim == 0:
        raise InputError(
            f"{path}: holds a single {array.dtype}, not an array; write samples with numpy.save"
        )
    return array


def quantize_samples(
    samples: npt.NDArray[Any],
    shape: tuple[int, ...],
    *,
    scale: float,
    zero_point: int,
    dtype: str = "int8",
) -> npt.NDArray[np.generic]:
    """``samples`` as an array of ``dtype`` ("int8" or "uint8") with shape (samples, *shape).

    ``shape`` is the model's input shape with its batch of 1; the samples' axis may replace
    the batch or come before it. Floating point samples are quantized as the TensorFlow Lite
    QUANTIZE operator does: round(x / scale) half away from zero, plus zero point, clamped.

    Raises:
        InputError: shape or type is wrong, or a float is not finite.
    """
    if samples.ndim == len(shape) and samples.shape[1:] == shape[1:] and shape[0] == 1:
        samples = samples[:, np.newaxis]
    if samples.ndim == 0 or samples.shape[1:] != shape:
        each = "x".join(str(size) for size in shape[1:] if shape)
        raise InputError(
            f"the input has the shape {samples.shape}; the model takes (samples, "
            f"{', '.join(map(str, shape[1:]))}), one sample being {each}"
        )
    if len(samples) == 0:
        raise InputError("the input has no samples")
    wanted = np.dtype(dtype)
    if samples.dtype == wanted:
        return samples
    if not np.issubdtype(samples.dtype, np.floating):
        raise InputError(
            f"the input's elements are {samples.dtype}; the model takes {dtype}, or floating point "
            "numbers, which are quantized with the model's scale"
        )
    if not np.isfinite(samples).all():
        raise InputError("the input holds values that are not finite")
    return quantize(samples, scale=scale, zero_point=zero_point, dtype=dtype)


def float_samples(samples: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """``samples`` of a floating point input of that shape as float32, (samples, *shape).

    Raises:
        InputError: shape or type is wrong, there are none, or one is not finite.
    """
    if samples.ndim == len(shape) and samples.shape[1:] == shape[1:] and shape[0] == 1:
        samples = samples[:, np.newaxis]
    if samples.ndim == 0 or samples.shape[1:] != shape or samples.dtype.kind != "f":
        raise InputError(
            f"the input is {samples.dtype} of shape {samples.shape}; the model takes floating "
            f"point samples of shape {shape}"
        )
    if len(samples) == 0:
        raise InputError("the input has no samples")
    if not np.isfinite(samples).all():
        raise InputError("the input holds values that are not finite")
    with np.errstate(over="ignore"):
        return samples.astype(np.float32)


def quantize(
    values: npt.NDArray[Any], *, scale: float, zero_point: int, dtype: str
) -> npt.NDArray[np.generic]:
    """Finite numbers as ``dtype``, as the operator QUANTIZE makes it of float32."""
    # The quotient is float32 as in the reference, the rounding exact.
    with np.errstate(over="ignore"):  # what is beyond float32 is beyond 8 bits
        scaled = (values.astype(np.float32) / np.float32(scale)).astype(np.float64)
    rounded = np.trunc(scaled + np.copysign(0.5, scaled))
    limits = np.iinfo(np.dtype(dtype))
    clamped = np.clip(rounded + zero_point, limits.min, limits.max)
    quantized: npt.NDArray[np.generic] = clamped.astype(dtype)
    return quantized
