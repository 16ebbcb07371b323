# SPDX-License-Identifier: BSD-2-Clause
"""Tables of the second pass against the reference's ADD, for all pairs of operands."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest

from celosia.arithmetic import add_tables as at
from celosia.arithmetic.add import AddOperands, add_operands, sum_factor
from celosia.arithmetic.difference_constraints import UNBOUNDED, solve
from celosia.arithmetic.fixed_point import clamp_range
from celosia.graph.ir import Activation, Quantization
from celosia_sim.random_models import Addition, fraction_addition, random_addition


def hardware(tables: at.SecondPass) -> np.ndarray:
    """The formula of the second pass for all pairs, written out once more."""
    total = np.add.outer(tables.first.astype(object), tables.second.astype(object))
    rounded = (total + (1 << tables.shift - 1)) // (1 << tables.shift)
    return np.asarray(np.clip(rounded, *tables.clamp), dtype=np.int64)


def tables_of(addition: Addition, clamp: tuple[int, int] | None = None) -> at.SecondPass | None:
    """The tables for a range of sums, the activation's if none is given."""
    first, second, output, activation = addition
    return at.add_tables(first, second, output, clamp or clamp_range(activation, output))


@pytest.mark.parametrize("seed", range(4))
def test_every_addition_of_random_scales_has_tables(seed: int) -> None:
    rng = np.random.default_rng(seed)
    cases = 0
    start = time.process_time()
    while cases < 500:
        addition = random_addition(rng)
        if sum_factor(*(q.scale for q in addition[:3])) >= 1:
            continue  # the reference refuses it
        cases += 1
        tables = tables_of(addition)
        assert tables is not None
        np.testing.assert_array_equal(tables.outputs(), add_operands(*addition).outputs())
        assert tables.first.dtype == tables.second.dtype == np.int32
        assert 1 <= tables.shift <= 32
    assert (time.process_time() - start) / 500 < 0.2


def test_outputs_are_those_of_the_formula() -> None:
    rng = np.random.default_rng(5)
    for _ in range(6):
        tables = tables_of(random_addition(rng))
        assert tables is not None
        np.testing.assert_array_equal(hardware(tables), tables.outputs())


def test_halves_that_fall_differently_on_both_sides_of_the_zero_point() -> None:
    """Of fractions for all sums there may be no tables; for those of one side there are."""
    rng = np.random.default_rng(16)
    impossible = 0
    for _ in range(60):
        numerators = tuple(int(n) for n in rng.integers(1, 33, 3))
        denominator = int(rng.choice([255, 100]))
        first, second, output, _ = fraction_addition(rng, denominator, numerators)
        addition = first, second, output, Activation.NONE
        zero = output.zero_point
        wanted = add_operands(*addition).outputs()
        if tables_of(addition) is not None:
            continue
        impossible += 1
        for clamp in ((-128, zero), (zero, 127)):
            tables = tables_of(addition, clamp)
            assert tables is not None
            np.testing.assert_array_equal(tables.outputs(), np.clip(wanted, *clamp))
    assert impossible >= 5


def test_two_levels_always_have_tables() -> None:
    rng = np.random.default_rng(17)
    for _ in range(100):
        numerators = tuple(int(n) for n in rng.integers(1, 256, 3))
        for addition in (fraction_addition(rng, 255, numerators), random_addition(rng)):
            if sum_factor(*(q.scale for q in addition[:3])) >= 1:
                continue
            low = int(rng.integers(-128, 127))
            tables = tables_of(addition, (low, low + 1))
            assert tables is not None
            wanted = add_operands(*addition[:3]).outputs()
            np.testing.assert_array_equal(tables.outputs(), np.clip(wanted, low, low + 1))


def test_a_changed_entry_is_noticed() -> None:
    q = Quantization((0.1,), (3,))
    tables = at.add_tables(q, q, Quantization((0.17,), (-5,)), (-128, 127))
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
    found = at.find_tables(add.outputs(), add)
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
    assert at.find_tables(wanted, add) is None


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
