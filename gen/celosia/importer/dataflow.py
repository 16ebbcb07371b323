# SPDX-License-Identifier: BSD-2-Clause
"""Who computes and who reads each tensor: checks on the order of operators and on the edges."""

from __future__ import annotations

from celosia.importer.modelfile import FileOperator, FileTensor, ModelFile
from celosia.importer.tensors import (
    CONSTANT_REMEDY,
    DAMAGED_REMEDY,
    QUANTIZE_REMEDY,
    Problems,
)

_FLOATS = ("FLOAT32", "FLOAT16", "FLOAT64", "BFLOAT16")
_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


class Dataflow:
    """Producers and consumers of the file's tensors."""

    def __init__(self, file: ModelFile, problems: Problems) -> None:
        self._file = file
        self._problems = problems
        self._consumers: dict[int, list[FileOperator]] = {}
        self._producers: dict[int, FileOperator] = {}
        for operator in file.operators:
            for index in operator.inputs:
                self._consumers.setdefault(index, []).append(operator)

    def check_ends(self) -> None:
        """Reports inputs and outputs of the model that cannot be."""
        for what, ends in (("input", self._file.inputs), ("output", self._file.outputs)):
            if not ends:
                self._problems.add(f"the model has no {what}", DAMAGED_REMEDY)
            if len(set(ends)) != len(ends):
                self._problems.add(f"an {what} of the model is named twice", DAMAGED_REMEDY)
            for index in ends:
                if index < 0:
                    self._problems.add(f"an {what} of the model is left out", DAMAGED_REMEDY)
                elif self._is_constant(index):
                    self._report(None, index, f"this {what} of the model is a constant")

    def check_order(self) -> None:
        """Reports tensors that are read before they are computed, or are computed twice."""
        known = set(self._file.inputs)
        for operator in self._file.operators:
            for index in operator.inputs:
                if index >= 0 and index not in known and not self._is_constant(index):
                    self._report(operator, index, "it is read before any operator computes it")
            for index in operator.outputs:
                if index < 0:
                    continue
                if index in known or self._is_constant(index):
                    self._report(operator, index, "it is computed, but has a value already")
                known.add(index)
                self._producers.setdefault(index, operator)
        for index in self._file.outputs:
            if index >= 0 and index not in known and not self._is_constant(index):
                self._report(None, index, "this output of the model is never computed")

    def check_types(self) -> set[int]:
        """Reports float32 and uint8 inside of the model; returns operators to leave alone.

        A model that was never quantized gets one problem, not one for each operator.
        """
        floats = [op for op in self._file.operators if self._computes_in_float(op)]
        if floats:
            named = ", ".join(f"{op.index} {op.name}" for op in floats[:4])
            more = ", ..." if len(floats) > 4 else ""
            self._problems.add(
                f"{len(floats)} of {len(self._file.operators)} operators compute in floating point "
                f"({named}{more})",
                QUANTIZE_REMEDY,
            )
        skipped = {op.index for op in floats}
        for operator in self._file.operators:
            if operator.name not in _CONVERSIONS:
                continue
            reason = self._misplaced_conversion(operator)
            if reason is not None:
                skipped.add(operator.index)
                if not floats:
                    self._problems.add(reason, QUANTIZE_REMEDY, operator)
        return skipped

    def _computes_in_float(self, operator: FileOperator) -> bool:
        if operator.name in _CONVERSIONS or operator.custom:
            return False
        return any(
            self._file.tensor(index).type_name in _FLOATS
            for index in (*operator.inputs, *operator.outputs)
            if index >= 0
        )

    def _misplaced_conversion(self, operator: FileOperator) -> str | None:
        """Why a QUANTIZE or DEQUANTIZE is not at the edge where it must be."""
        if len(operator.inputs) != 1 or len(operator.outputs) != 1:
            return None
        source, result = operator.inputs[0], operator.outputs[0]
        if source < 0 or result < 0 or self._is_constant(source):
            return None
        source_type = self._file.tensor(source).type_name
        result_type = self._file.tensor(result).type_name
        if source_type in _FLOATS and source not in self._file.inputs:
            return "it quantizes a tensor inside of the model"
        if result_type in _FLOATS and not self._is_last(result):
            return "its floating-point result is used inside of the model"
        if result_type == "UINT8" and not self._is_last(result):
            readers = self._consumers.get(result, [])
            if source_type not in _FLOATS or any(op.name != "QUANTIZE" for op in readers):
                return "its UINT8 result is used inside of the model"
        return None

    def _is_last(self, index: int) -> bool:
        """Whether a tensor is an output of the model that no operator reads."""
        return index in self._file.outputs and index not in self._consumers

    def _is_constant(self, index: int) -> bool:
        tensor: FileTensor = self._file.tensor(index)
        return tensor.data is not None or tensor.external

    def _report(self, operator: FileOperator | None, index: int, reason: str) -> None:
        remedy = CONSTANT_REMEDY if "constant" in reason else DAMAGED_REMEDY
        self._problems.add(reason, remedy, operator, self._file.tensor(index).name)
