# SPDX-License-Identifier: BSD-2-Clause
"""Imports int8 ``.tflite`` files.

A file is untrusted: nothing in it is used before it is checked, and whatever is wrong with it ends
in a ModelError that lists everything found.
"""

from __future__ import annotations

from pathlib import Path

from celosia.errors import ModelError, Problem
from celosia.graph.ir import Graph, Op, Tensor, TensorId
from celosia.graph.verify import verify
from celosia.importer.container import UnreadableFileError, read_tflite
from celosia.importer.dataflow import Dataflow
from celosia.importer.flatbuffer import CorruptFileError
from celosia.importer.modelfile import SCHEMA_VERSION, FileOperator, ModelFile
from celosia.importer.node import Node, RejectedOperatorError
from celosia.importer.operators.table import SUPPORTED, remedy
from celosia.importer.tensors import DAMAGED_REMEDY, Problems, TensorReader


def load_tflite(path: str | Path) -> Graph:
    """The graph of a ``.tflite`` file; its name is the file's without the suffix.

    Tensors keep the file's numbers, operations the file's order. Weights and other constants are
    read-only views of the file's bytes.

    Raises ModelError, which lists all ``problems``, if the file cannot be read, is corrupt, or
    uses anything that is not supported.
    """
    file = Path(path)
    problems = Problems()
    try:
        graph = _import(file.stem, ModelFile(read_tflite(file)), problems)
    except UnreadableFileError as error:
        raise ModelError.of_file(str(path), [error.problem]) from None
    except CorruptFileError as error:
        corrupt = Problem(f"the file is corrupt: {error}", "download or convert the model again")
        raise ModelError.of_file(str(path), [*problems.found, corrupt]) from None
    if problems.found:
        raise ModelError.of_file(str(path), problems.found)
    verify(graph)
    return graph


def _import(name: str, file: ModelFile, problems: Problems) -> Graph:
    """The graph, which is complete only if no problem was found."""
    if file.version != SCHEMA_VERSION:
        problems.add(f"its schema version is {file.version}, not {SCHEMA_VERSION}", DAMAGED_REMEDY)
    if file.subgraphs != 1:
        problems.add(
            f"it has {file.subgraphs} subgraphs instead of 1",
            "export one function without control flow and initialization",
        )
    if not file.operators:
        problems.add("it has no operators", DAMAGED_REMEDY)
    dataflow = Dataflow(file, problems)
    dataflow.check_ends()
    dataflow.check_order()
    skipped = dataflow.check_types()
    reader = TensorReader(file, problems)
    ends = [index for index in (*file.inputs, *file.outputs) if index >= 0]
    ops = []
    for operator in file.operators:
        op = _import_operator(operator, reader, problems, operator.index in skipped)
        if op is not None:
            ops.append(op)
    for index in ends:
        if not reader.is_constant(index):
            reader.activation(index, None)
    return Graph(name, _used(reader.tensors, ops, ends), ops, list(file.inputs), list(file.outputs))


def _import_operator(
    operator: FileOperator, reader: TensorReader, problems: Problems, skip: bool
) -> Op | None:
    importer = SUPPORTED.get(operator.name)
    if importer is None or operator.custom:
        what = "custom operators are" if operator.custom else "this operator is"
        problems.add(f"{what} not supported", remedy(operator.name, operator.custom), operator)
        return None
    if not 1 <= operator.version <= importer.version:
        problems.add(
            f"its version {operator.version} is not in 1..{importer.version}",
            "convert the model with an older release of TensorFlow",
            operator,
        )
        return None
    options = None
    if importer.options is not None:
        wanted = importer.options.__name__
        if operator.options_name == wanted:
            options = operator.options(importer.options)
        elif operator.options_name != "NONE" or importer.required:
            reason = f"it has {operator.options_name} where {wanted} must be"
            problems.add(reason, DAMAGED_REMEDY, operator)
            return None
    if skip:
        return None
    try:
        return importer.run(Node(operator, reader, options))
    except RejectedOperatorError:
        return None


def _used(
    tensors: dict[TensorId, Tensor], ops: list[Op], ends: list[TensorId]
) -> dict[TensorId, Tensor]:
    """The tensors that operations or the ends of the model name, by number."""
    named = set(ends)
    for op in ops:
        named.update(op.inputs, [op.output])
    return {index: tensors[index] for index in sorted(named) if index in tensors}
