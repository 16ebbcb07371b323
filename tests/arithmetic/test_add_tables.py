# SPDX-License-Identifier: BSD-2-Clause
"""Tables of the second pass against the reference's ADD, for all pairs of operands."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from celosia.arithmetic import add_tables as at
from celosia.arithmetic.add import AddOperands, add_operands
from celosia.arithmetic.difference_constraints import UNBOUNDED, solve
from celosia.graph.ir import Activation, Quantization


def hardware(tables: at.SecondPass) -> np.ndarray:
    """The formula of the second pass for all pairs, written out once more."""
    total = np.add.outer(tables.first.astype(object), tables.second.astype(object))
    rounded = (total + (1 << tables.shift - 1)) // (1 << tables.shift)
    return np.asarray(np.clip(rounded, *tables.clamp), dtype=np.int64)


def random_case(
    rng: np.random.Generator,
) -> tuple[Quantization, Quantization, Quantization, Activation]:
    first = float(np.exp(rng.uniform(-8, 4)))
    match rng.integers(6):
        case 0:
            scales = first, first, first
        case 1:
            scales = first, first, first * 2.0 ** rng.integers(-4, 5)
        case 2:
            scales = first, first * 2.0 ** rng.integers(-8, 9), first * 2.0 ** rng.integers(-4, 5)
        case 3:
            second = first * 10 ** rng.uniform(-4, 4)
            scales = first, second, max(first, second) * 10 ** rng.uniform(-1, 1)
        case 4:
            scales = first, first * rng.uniform(0.3, 3), first * rng.uniform(0.3, 3)
        case _:
            scales = first, first * 10 ** rng.uniform(-4, 4), first * 10 ** rng.uniform(-4, 4)
    a, b, c = (
        Quantization((float(np.float32(scale)),), (int(rng.choice([-128, 0, 127, at_random])),))
        for scale, at_random in zip(scales, rng.integers(-128, 128, 3), strict=True)
    )
    return a, b, c, rng.choice(np.array([Activation.NONE, Activation.RELU, Activation.RELU6]))


@pytest.mark.parametrize("seed", range(4))
def test_every_addition_has_tables(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cases = Counter[str]()
    start, spent = time.perf_counter(), 0.0
    while sum(cases.values()) < 500:
        first, second, output, activation = random_case(rng)
        if 2 * max(first.scale, second.scale) / 2**20 >= output.scale:
            continue  # outside of the reference's domain
        begin = time.perf_counter()
        tables = at.add_tables(first, second, output, activation)
        spent = max(spent, time.perf_counter() - begin)
        cases["found" if tables else "none"] += 1
        if tables is not None:
            wanted = add_operands(first, second, output, activation).outputs()
            np.testing.assert_array_equal(tables.outputs(), wanted)
            assert tables.first.dtype == tables.second.dtype == np.int32
            assert 1 <= tables.shift <= 32
    assert cases["none"] == 0
    assert (time.perf_counter() - start) / 500 < 0.2


def test_outputs_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(5)
    for _ in range(6):
        first, second, output, activation = random_case(rng)
        tables = at.add_tables(first, second, output, activation)
        assert tables is not None
        np.testing.assert_array_equal(hardware(tables), tables.outputs())


def test_a_changed_entry_is_noticed() -> None:
    q = Quantization((0.1,), (3,))
    tables = at.add_tables(q, q, Quantization((0.17,), (-5,)))
    wanted = add_operands(q, q, Quantization((0.17,), (-5,))).outputs()
    assert tables is not None
    for entry in (0, 100, 255):
        changed = tables.first.copy()
        changed[entry] += 1 << tables.shift - 1
        assert not np.array_equal(replace(tables, first=changed).outputs(), wanted)


def constraints_alone(add: AddOperands, monkeypatch: pytest.MonkeyPatch) -> at.SecondPass | None:
    """The search with the scaled tables spoiled, so that only the solver can find tables."""
    scale = at._scale

    def spoiled(values: np.ndarray, multiplier: int, right: int) -> np.ndarray:
        return scale(values, multiplier, right) // 5 + 12345

    monkeypatch.setattr(at, "_scale", spoiled)
    constants = add.multiplier, add.shift, add.zero_point, add.clamp
    found = at.find_tables(add.outputs(), add.first, add.second, *constants)
    monkeypatch.undo()
    return found


def test_constraints_find_tables_on_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    for _ in range(5):
        scales = rng.uniform(0.05, 0.2, 3).astype(np.float32).tolist()
        a, b, c = (Quantization((scale,), (int(rng.integers(-128, 128)),)) for scale in scales)
        add = add_operands(a, b, c)
        found = constraints_alone(add, monkeypatch)
        assert found is not None
        np.testing.assert_array_equal(found.outputs(), add.outputs())


def test_what_is_no_sum_has_no_tables() -> None:
    q = Quantization((0.1,), (0,))
    add = add_operands(q, q, q)
    wanted = add.outputs().astype(np.int64)
    wanted[128 + 10, 128 + 10] += 40
    constants = add.multiplier, add.shift, add.zero_point, add.clamp
    assert at.find_tables(wanted, add.first, add.second, *constants) is None


def test_difference_constraints() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        a, b = rng.integers(-99, 99, 17), rng.integers(-99, 99, 11)
        total = a[:, None] + b[None, :]
        lower = np.where(rng.random(total.shape) < 0.5, total - rng.integers(0, 4), -UNBOUNDED)
        upper = np.where(rng.random(total.shape) < 0.5, total + rng.integers(0, 4), UNBOUNDED)
        solution = solve(lower, upper, (np.zeros(17, np.int64), np.zeros(11, np.int64)))
        assert solution is not None
        found = solution[0][:, None] + solution[1][None, :]
        assert ((lower <= found) & (found <= upper)).all()
    impossible = np.array([[0, 0], [0, 1]])
    start = np.zeros(2, np.int64), np.zeros(2, np.int64)
    assert solve(impossible, impossible, start) is None


def test_tables_of_a_function() -> None:
    values = np.random.default_rng(1).integers(-128, 128, 256)
    tables = at.function_tables(values.tolist())
    assert not tables.second.any()
    np.testing.assert_array_equal(tables.outputs(), np.repeat(values[:, None], 256, axis=1))


def test_behind_another_function() -> None:
    rng = np.random.default_rng(4)
    before, values = rng.integers(-128, 128, (2, 256))
    tables = at.function_tables(values.tolist()).behind(before)
    np.testing.assert_array_equal(tables.outputs()[:, 0], values[before + 128])
