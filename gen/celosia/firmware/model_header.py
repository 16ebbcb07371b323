# SPDX-License-Identifier: BSD-2-Clause
"""``model.h``: what a program on a microcontroller needs to know of a model, as macros."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from typing import Any

from celosia.arithmetic.fixed_point import quantize_multiplier
from celosia.arithmetic.softmax import softmax_parameters
from celosia.compiler.image import Image, TensorPort
from celosia.errors import InputError, ModelError
from celosia.firmware.c_text import float_literal, identifier, string_literal

_TITLE = """\
/* What a program needs to know of a model; written by 'celosia generate', for the driver in
 * firmware/ (or any other). MODEL initializes a 'struct celosia_model'. A scale is given as a
 * constant of floating point and as integers: scale = MULTIPLIER * 2^(SHIFT - 31), and 1 / scale =
 * INVERSE_MULTIPLIER * 2^(INVERSE_SHIFT - 31), for celosia_multiply() and celosia_requantize(). */
"""


def model_header(image: Image, clock_mhz: float, labels: Sequence[str] = ()) -> str:
    """The text of ``model.h``.

    Raises:
        InputError: there are labels, but not one for each element of the first output.
    """
    if labels and image.outputs and len(labels) != math.prod(image.outputs[0].shape):
        raise InputError(
            f"there are {len(labels)} labels, but the output {image.outputs[0].name} has "
            f"{math.prod(image.outputs[0].shape)} elements; give one label a line for each"
        )
    guard = f"CELOSIA_MODEL_{identifier(image.model)}_H"
    parts = [_TITLE, f"#ifndef {guard}\n#define {guard}\n", _defines(_model(image, clock_mhz))]
    for direction, ports in (("INPUT", image.inputs), ("OUTPUT", image.outputs)):
        for index, port in enumerate(ports):
            parts.append(_defines(_tensor(f"{direction}_{index}", port)))
    parts += _softmaxes(image)
    if labels:
        items = ", \\\n    ".join(map(string_literal, labels))
        parts.append(
            f"#define MODEL_LABEL_COUNT {len(labels)}u\n#define MODEL_LABELS {{ \\\n    {items}}}\n"
        )
    parts += _self_test(image)
    parts.append(_initializer(image))
    parts.append("#endif\n")
    return "\n".join(parts)


def _unsigned(value: int) -> str:
    return f"{value}u" if value < 1 << 16 else f"{value}uL"


def _list(values: Sequence[int]) -> str:
    # An empty list is no initializer in C99.
    return "{" + ", ".join(map(_unsigned, values or (0,))) + "}"


def _defines(values: Iterator[tuple[str, str]]) -> str:
    return "".join(f"#define MODEL_{name} {value}\n" for name, value in values)


def _model(image: Image, clock_mhz: float) -> Iterator[tuple[str, str]]:
    data = image.to_bytes()
    yield "NAME", string_literal(image.model)
    yield "IMAGE_BYTES", _unsigned(len(data))
    yield "IMAGE_CHECKSUM", f"0x{int.from_bytes(data[16:20], 'little'):08X}uL"
    yield "IMAGE_SHA256", f'"{hashlib.sha256(data).hexdigest()}"'
    yield "FINGERPRINT", f"0x{image.config.fingerprint:08X}uL"
    yield "ENTRY", _unsigned(image.entry)
    yield "INSTRUCTIONS", _unsigned(len(image.instructions))
    yield "PROFILE", _unsigned(image.profile_base)
    yield "PREDICTED_CYCLES", _unsigned(min(image.cycles, (1 << 32) - 1))
    yield "CLOCK_HZ", _unsigned(round(clock_mhz * 1e6))
    yield "EXTERNAL", str(int(image.streams))
    yield "INPUTS", _unsigned(len(image.inputs))
    yield "OUTPUTS", _unsigned(len(image.outputs))


def _tensor(prefix: str, port: TensorPort) -> Iterator[tuple[str, str]]:
    values: dict[str, Any] = {
        "NAME": string_literal(port.name),
        "ADDRESS": _unsigned(port.address),
        "ELEMENTS": _unsigned(math.prod(port.shape)),
        "RANK": _unsigned(len(port.shape)),
        "SHAPE": _list(port.shape),
        "STRIDES": _list(port.strides),
        "SIGNED": str(int(port.dtype == "int8")),
        "ZERO_POINT": f"({port.zero_point})",
        "SCALE": float_literal(port.scale),
    }
    for name, scale in (("", port.scale), ("INVERSE_", 1 / port.scale if port.scale else math.inf)):
        try:
            multiplier, shift = (int(value) for value in quantize_multiplier(scale))
        except ModelError:
            continue  # 2^31 and more: such a scale has no integer form, so no program can use it
        values[f"{name}MULTIPLIER"] = f"{multiplier}L"
        values[f"{name}SHIFT"] = f"({shift})"
    return ((f"{prefix}_{name}", value) for name, value in values.items())


def _softmaxes(image: Image) -> Iterator[str]:
    """Those that are left to the host, by the output that they read."""
    indices = {port.tensor: index for index, port in enumerate(image.outputs)}
    for op in image.host:
        index = indices.get(op.input["tensor"])
        if index is None:
            continue
        if op.op == "Reshape":
            indices[op.output["tensor"]] = index
        if op.op == "Softmax":
            constants = softmax_parameters(op.input["scale"], op.attributes["beta"])
            multiplier, shift, least = constants
            yield (
                "/* The softmax behind this output: the arguments of celosia_softmax() from count "
                "on. */\n"
                f"#define MODEL_OUTPUT_{index}_SOFTMAX "
                f"{_unsigned(op.input['shape'][-1])}, {multiplier}L, {shift}, {least}L\n"
            )


def _self_test(image: Image) -> Iterator[str]:
    """The known answers as they are in the image, for programs that do not have it."""
    record = image.self_test_record()
    if record:
        lines = (record[i : i + 20] for i in range(0, len(record), 20))
        items = ", \\\n    ".join(", ".join(map(str, line)) for line in lines)
        yield (
            "/* Known answers for celosia_self_test(), an array of bytes. */\n"
            f"#define MODEL_SELF_TEST {{ \\\n    {items}}}\n"
        )


def _initializer(image: Image) -> str:
    names = [f"INPUT_{i}" for i in range(len(image.inputs))]
    names += [f"OUTPUT_{i}" for i in range(len(image.outputs))]
    tensors = ", \\\n        ".join(
        f"{{.address = MODEL_{n}_ADDRESS, .elements = MODEL_{n}_ELEMENTS, "
        f"\\\n         .rank = MODEL_{n}_RANK, .zero_point = MODEL_{n}_ZERO_POINT, "
        f"\\\n         .size = MODEL_{n}_SHAPE, .stride = MODEL_{n}_STRIDES}}"
        for n in names
    )
    fields = (
        ".image_bytes = MODEL_IMAGE_BYTES",
        ".image_checksum = MODEL_IMAGE_CHECKSUM",
        ".fingerprint = MODEL_FINGERPRINT",
        ".entry = MODEL_ENTRY",
        ".instructions = MODEL_INSTRUCTIONS",
        ".profile = MODEL_PROFILE",
        ".cycles = MODEL_PREDICTED_CYCLES",
        ".external = MODEL_EXTERNAL",
        ".inputs = MODEL_INPUTS",
        ".outputs = MODEL_OUTPUTS",
        *([f".tensor = {{ \\\n        {tensors}}}"] if names else []),
    )
    return "#define MODEL { \\\n    " + ", \\\n    ".join(fields) + "}\n"
