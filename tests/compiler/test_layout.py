# SPDX-License-Identifier: BSD-2-Clause
"""Layouts and the loops that read kernels from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celosia.compiler import taps, weights
from celosia.compiler.layout import Layout, image_shape
from celosia.compiler.step import Limits, Loop
from celosia.graph.ir import Padding

sizes = st.integers(1, 9)
sides = st.integers(0, 3)


@given(
    st.tuples(sizes, sizes, sizes),
    st.builds(Padding, sides, sides, sides, sides),
    st.integers(0, 3),
    st.booleans(),
    st.sampled_from([1, 4]),
)
def test_borders_surround_every_element(
    shape: tuple[int, int, int],
    border: Padding,
    slack: int,
    transposed: bool,
    multiple: int,
) -> None:
    layout = Layout.arrange(
        shape,
        pixel=shape[2] + slack,
        border=border,
        transposed=transposed,
        line_multiple=multiple,
    )
    height, width, channels = shape
    memory = np.zeros(layout.size, dtype=int)
    for region in layout.border_regions:
        for line in range(region.lines):
            start = layout.before + region.offset + line * region.pitch
            assert 0 <= start <= start + region.bytes <= layout.size
            memory[start : start + region.bytes] += 1
    for h in range(-border.top, height + border.bottom):
        for w in range(-border.left, width + border.right):
            at = layout.before + layout.offset(h, w)
            inside = 0 <= h < height and 0 <= w < width
            assert np.all(memory[at : at + channels] == (0 if inside else 1))
            if inside:
                memory[at : at + channels] = 0
    # Elements do not overlap, and no border byte was counted twice.
    assert memory.max(initial=0) <= 1


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((1, 4, 5, 6), (4, 5, 6)),
        ((1, 7), (1, 1, 7)),
        ((3, 7), (1, 3, 7)),
        ((1, 3, 7), (1, 3, 7)),
        ((7,), (1, 1, 7)),
        ((), (1, 1, 1)),
        ((2, 3, 4, 5), (1, 24, 5)),
    ],
)
def test_image_shape(shape: tuple[int, ...], expected: tuple[int, int, int]) -> None:
    assert image_shape(shape) == expected


@pytest.mark.parametrize(
    ("rows", "columns", "width", "lanes", "expected"),
    [
        # 3 channels of 3 columns are one run of 9 bytes.
        (Loop(3, 96), Loop(3, 3), 3, 4, 9),
        (Loop(3, 96), Loop(3, 3), 3, 16, 3),
        # One channel, ten rows of four columns: two short lines fit in a tap.
        (Loop(10, 12), Loop(4, 1), 1, 16, 5),
        (Loop(10, 12), Loop(4, 1), 1, 4, 10),
        # Column by column: ten adjacent bytes.
        (Loop(10, 1), Loop(4, 60), 1, 16, 4),
        # Pointwise.
        (Loop(1, 999), Loop(1, 64), 64, 16, 4),
        # 24 channels: three columns are 72 bytes, 5 taps instead of 6.
        (Loop(1, 999), Loop(3, 24), 24, 16, 5),
    ],
)
def test_fewest_taps(rows: Loop, columns: Loop, width: int, lanes: int, expected: int) -> None:
    found = taps.choose(rows, columns, width, lanes, Limits())
    assert found is not None
    assert found.count == expected


@given(
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 20),
    st.integers(0, 5),
    st.integers(0, 9),
    st.sampled_from([2, 4, 8, 16]),
    st.sampled_from([Limits(), Limits(taps_c=12, taps_ky=5, taps_kx=4)]),
    st.integers(0, 2**32 - 1),
)
def test_taps_and_weights_compute_the_kernel(
    kh: int, kw: int, width: int, gap: int, extra: int, lanes: int, limits: Limits, seed: int
) -> None:
    """The words that ``pack`` makes give the kernel's sum on any memory."""
    column = width + gap
    row = kw * column + extra
    loops = taps.choose(Loop(kh, row), Loop(kw, column), width, lanes, limits)
    if loops is None:
        assert limits != Limits()
        return
    assert loops.ky.count <= limits.taps_ky
    assert loops.kx.count <= limits.taps_kx
    assert loops.c.count <= limits.taps_c
    rng = np.random.default_rng(seed)
    offsets = (
        np.arange(kh)[:, None, None] * row + np.arange(kw)[:, None] * column + np.arange(width)
    ).ravel()
    kernel = rng.integers(-128, 128, (2, 3, len(offsets))).astype(np.int8)
    words = weights.pack(loops.offsets, lanes, offsets, kernel)
    assert words.shape == (2, loops.count, 3, lanes)
    reach = int(loops.offsets.max()) + lanes
    memory = rng.integers(-128, 128, max(reach, int(offsets.max()) + 1))
    x = memory[loops.offsets[:, None] + np.arange(lanes)]
    sums = np.einsum("kl,gkrl->gr", x, words.astype(int))
    assert np.array_equal(sums, kernel.astype(int) @ memory[offsets])


def test_pack_refuses_what_no_tap_reads() -> None:
    with pytest.raises(ValueError, match="do not read the whole kernel"):
        weights.pack(np.array([0]), 4, np.array([3, 4]), np.ones((1, 1, 2), dtype=np.int8))
