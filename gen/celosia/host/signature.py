# SPDX-License-Identifier: BSD-2-Clause
"""What a model takes and gives: names, shapes, types; and arrays of samples made to fit them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from celosia.compiler.image import HostTensor, Image, ImageError, TensorPort
from celosia.errors import InputError
from celosia.graph.ir import Array
from celosia.samples import float_samples, quantize_samples


@dataclass(frozen=True)
class TensorInfo:
    """A tensor of the model file, its batch of 1 included. ``dtype`` is int8, uint8 or float32;
    ``real = scale * (value - zero_point)``, where those are not None. ``tensor`` is its identifier
    in the graph."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: float | None
    zero_point: int | None
    tensor: int

    @property
    def has_batch(self) -> bool:
        """Whether the first axis is a batch of 1."""
        return len(self.shape) > 1 and self.shape[0] == 1

    @property
    def one(self) -> tuple[int, ...]:
        """Shape of a sample without the batch."""
        return self.shape[1:] if self.has_batch else self.shape


@dataclass(frozen=True)
class Samples:
    """Samples of all inputs, each an array (samples, *shape) by the input's tensor.

    Outputs are to have an axis of samples if ``many``, and no batch of 1 if ``bare``.
    """

    arrays: dict[int, Array]
    count: int
    many: bool
    bare: bool

    def __iter__(self) -> Iterator[dict[int, Array]]:
        for number in range(self.count):
            yield {tensor: array[number] for tensor, array in self.arrays.items()}

    def first(self, limit: int | None) -> Samples:
        """At most so many of them."""
        arrays = {tensor: array[:limit] for tensor, array in self.arrays.items()}
        return replace(self, arrays=arrays, count=len(range(self.count)[:limit]))

    def arrange(self, info: TensorInfo, values: list[Array]) -> Array:
        """An output's values of all samples, in the form that the inputs had."""
        result = np.stack(values)
        if self.bare:
            result = result.reshape(len(values), *info.one)
        return result if self.many else result[0]


class Signature:
    """``inputs`` and ``outputs`` of a model, in the order of the model file."""

    def __init__(self, image: Image) -> None:
        ports = [_of_port(port) for port in image.inputs]
        results = [_of_port(port) for port in image.outputs]
        before = [_of_record(op.input) for op in image.host]
        after = [_of_record(op.output) for op in image.host]
        # Should an input and an output have the same name, each is looked for on its side first.
        self.inputs = _named(image, image.graph_inputs, [*ports, *before, *results, *after])
        self.outputs = _named(image, image.graph_outputs, [*results, *after, *ports, *before])
        self._check_flow(image)

    def _check_flow(self, image: Image) -> None:
        """Raises ImageError unless all that is computed comes from the inputs."""
        known = {info.tensor for info in self.inputs}

        def check(needed: Iterable[TensorPort | TensorInfo]) -> None:
            for op in image.host:
                if op.input["tensor"] in known:
                    known.add(op.output["tensor"])
            for info in needed:
                if info.tensor not in known:
                    raise ImageError(
                        f"{image.model}: nothing gives the tensor {info.name!r}; generate the "
                        "image again"
                    )

        check(image.inputs)
        known.update(port.tensor for port in image.outputs)
        check(self.outputs)

    def samples(self, given: Any) -> Samples:
        """``given`` as samples: an array if the model has one input, else a tuple in the order of
        the inputs or a mapping from their names.

        Each array is one sample, with or without its batch of 1, or has an axis of samples before
        that. 8-bit inputs may be given as floating point numbers, which are quantized.

        Raises:
            InputError: an input is missing or unknown, or a shape, a type or a value is wrong.
        """
        arrays, forms = {}, set()
        for info, value in zip(self.inputs, self._in_order(given), strict=True):
            try:
                array, many, bare = _with_axis(info, np.asarray(value))
                arrays[info.tensor] = _converted(info, array)
            except (InputError, ValueError) as error:
                where = f"input {info.name!r}: " if len(self.inputs) > 1 else ""
                raise InputError(f"{where}{error}") from None
            forms.add((len(array), many, bare))
        if len(forms) != 1:
            raise InputError(
                "the inputs differ in the number of samples or in the axes before them"
            )
        return Samples(arrays, *forms.pop())

    def _in_order(self, given: Any) -> list[Any]:
        names = [info.name for info in self.inputs]
        if isinstance(given, Mapping):
            if set(given) != set(names):
                raise InputError(
                    f"arrays are given for {', '.join(map(repr, given)) or 'nothing'}; the model's "
                    f"inputs are {', '.join(map(repr, names))}"
                )
            return [given[name] for name in names]
        values = list(given) if isinstance(given, tuple) else [given]
        if len(values) != len(names):
            raise InputError(
                f"{len(values)} arrays are given; the model has the inputs "
                f"{', '.join(map(repr, names))}: give a tuple in this order, or a dict by name"
            )
        return values


def _of_port(port: TensorPort) -> TensorInfo:
    return TensorInfo(port.name, port.shape, port.dtype, port.scale, port.zero_point, port.tensor)


def _of_record(record: HostTensor) -> TensorInfo:
    """Of a tensor as host operations describe it."""
    return TensorInfo(
        record["name"],
        tuple(record["shape"]),
        record["dtype"],
        record.get("scale"),
        record.get("zero_point"),
        record["tensor"],
    )


def _named(image: Image, names: tuple[str, ...], known: list[TensorInfo]) -> tuple[TensorInfo, ...]:
    found = []
    for name in names:
        info = next((info for info in known if info.name == name), None)
        if info is None:
            raise InputError(
                f"{image.model}: nothing computes with the tensor {name!r}, an input or an output "
                "of the model; leave it out of the model"
            )
        found.append(info)
    return tuple(found)


def _with_axis(info: TensorInfo, array: Array) -> tuple[Array, bool, bool]:
    """The array as (samples, *shape); whether it had an axis of samples, and no batch of 1."""
    if array.shape == info.one:
        return array.reshape(1, *info.shape), False, info.has_batch
    if array.shape[1:] == info.one:
        # An array of the model's own shape is one sample behind an axis of one.
        return array.reshape(len(array), *info.shape), True, info.has_batch
    # Whatever else it is, it has to have the model's shape behind its first axis.
    return array, True, False


def _converted(info: TensorInfo, array: Array) -> Array:
    if info.scale is not None and info.zero_point is not None:
        return quantize_samples(
            array, info.shape, scale=info.scale, zero_point=info.zero_point, dtype=info.dtype
        )
    return float_samples(array, info.shape)
