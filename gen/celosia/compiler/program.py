# SPDX-License-Identifier: BSD-2-Clause
"""From steps with planned storages to instructions and the bytes of all memories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from celosia.compiler.layout import round_up
from celosia.compiler.step import ADDRESS_SPACE, Address, Step
from celosia.compiler.storage import Storage
from celosia.compiler.streams import Stream
from celosia_hw.config import AcceleratorConfig
from celosia_hw.isa import INSTRUCTION_BYTES, Opcode, Source, encode


@dataclass
class Constants:
    """Addresses of what lives during every run. All but the counters is loaded with the image;
    ``tensors`` are constant storages by number."""

    program: int
    weight_list: int
    parameter_list: int
    tables: dict[bytes, int]
    tensors: dict[int, int]
    weights: int
    parameters: int
    profile: int
    start: int
    end: int


def arrange(
    steps: Sequence[Step],
    storages: Sequence[Storage],
    weights: Stream,
    parameters: Stream,
    config: AcceleratorConfig,
    instructions: int,
) -> Constants:
    """Packs all constants behind each other, up to the end of the scratchpad.

    ``start`` is negative where they do not fit.
    """
    word = config.word_bytes
    align = max(word, INSTRUCTION_BYTES)
    cursor = 0

    def take(size: int, alignment: int) -> int:
        nonlocal cursor
        cursor = round_up(cursor, alignment)
        address = cursor
        cursor += size
        return address

    program = take(INSTRUCTION_BYTES * instructions, align)
    tables: dict[bytes, int] = {}
    for step in steps:
        if step.second is not None:
            data = step.second.tables.astype("<i4").tobytes()
            if data not in tables:
                tables[data] = take(len(data), word)
    tensors = {s.number: take(s.size, s.align) for s in storages if s.contents is not None}
    weight_list = take(weights.list_bytes, 4)
    parameter_list = take(parameters.list_bytes, 4)
    weight_data = take(len(weights.data) if weights.source == Source.SCRATCH else 0, word)
    in_scratch = parameters.source == Source.SCRATCH
    parameter_data = take(len(parameters.data) if in_scratch else 0, word)
    loaded = cursor
    profile = take(4 * instructions, word)
    base = (config.scratch_bytes - round_up(cursor, align)) // align * align
    return Constants(
        program=base + program,
        weight_list=base + weight_list,
        parameter_list=base + parameter_list,
        tables={data: base + address for data, address in tables.items()},
        tensors={number: base + address for number, address in tensors.items()},
        weights=base + weight_data,
        parameters=base + parameter_data,
        profile=base + profile,
        start=base,
        end=base + loaded,
    )


def scratch_bytes(
    constants: Constants,
    program: bytes,
    storages: Sequence[Storage],
    weights: Stream,
    parameters: Stream,
) -> bytes:
    """The bytes from ``constants.start`` to ``constants.end``, filled up to whole units."""
    memory = bytearray(round_up(constants.end - constants.start, 4))

    def put(address: int, data: bytes) -> None:
        offset = address - constants.start
        memory[offset : offset + len(data)] = data

    put(constants.program, program)
    for data, address in constants.tables.items():
        put(address, data)
    for storage in storages:
        if storage.contents is not None:
            put(constants.tensors[storage.number], storage.contents)
    external = weights.source == Source.EXTERNAL
    if weights.source != Source.RESIDENT:
        put(constants.weight_list, weights.segment_list(0 if external else constants.weights))
    if weights.source == Source.SCRATCH:
        put(constants.weights, weights.data)
    if parameters.source == Source.SCRATCH:
        put(constants.parameter_list, parameters.segment_list(constants.parameters))
        put(constants.parameters, parameters.data)
    return bytes(memory)


def encode_setup(constants: Constants, weights: Stream, parameters: Stream) -> bytes:
    return encode(
        Opcode.SETUP,
        {
            "weight_source": weights.source,
            "parameter_source": parameters.source,
            "weight_list": constants.weight_list,
            "parameter_list": constants.parameter_list,
            "profile_base": constants.profile,
        },
    )


def encode_step(
    step: Step,
    bases: dict[int, int],
    constants: Constants,
    weights: Stream,
    parameters: Stream,
) -> bytes:
    """The instruction; ``bases`` has the base address of each storage."""

    def resolve(address: Address) -> int:
        return (bases[address.storage] + address.offset) % ADDRESS_SPACE

    out = resolve(step.output)
    result = step.second or step
    fields = {
        "out_base": out,
        "out_line": step.out_line % ADDRESS_SPACE,
        "zero_point": step.zero_point,
        "lines": step.lines.count,
        "positions": step.positions.count,
    }
    if step.opcode == Opcode.FILL:
        return encode(step.opcode, fields)
    loops = {
        "group": step.groups,
        "line": step.lines,
        "position": step.positions,
        "ky": step.taps.ky,
        "kx": step.taps.kx,
        "c": step.taps.c,
    }
    fields |= {f"in_{name}": loop.stride % ADDRESS_SPACE for name, loop in loops.items()}
    fields |= {f"taps_{name}": loops[name].count for name in ("ky", "kx", "c")}
    fields |= {
        "in_base": resolve(step.input),
        "groups": step.groups.count,
        "out_group": step.out_group % ADDRESS_SPACE,
        "out_position": step.out_position % ADDRESS_SPACE,
        "skip": step.skip,
        "tail": step.tail,
        "low": result.low,
        "high": result.high,
        "parameters_ring": int(parameters.source != Source.RESIDENT),
        "parameters_uniform": int(step.uniform),
        "parameter_base": parameters.base[step.key],
    }
    if step.weights is not None:
        fields |= {
            "weights_ring": int(weights.source != Source.RESIDENT),
            "weights_shared": int(step.weights_shared),
            "weight_base": weights.base[step.key],
            "weight_words": step.weight_words,
        }
    if step.second is not None:
        second = step.second
        fields |= {
            "second_pass": 1,
            "table_base": constants.tables[second.tables.astype("<i4").tobytes()],
            "shift2": second.shift,
        }
        if second.residual is not None:
            fields["residual"] = 1
            fields["residual_delta"] = (resolve(second.residual) - out) % ADDRESS_SPACE
    return encode(step.opcode, fields)
