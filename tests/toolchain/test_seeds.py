# SPDX-License-Identifier: BSD-2-Clause
"""Which seed is taken, whatever the order in which they finish."""

from __future__ import annotations

import random
import threading
import time

import pytest

from celosia.errors import ToolError
from celosia.toolchain.execute import Cancel, CancelledError
from celosia.toolchain.route import DoesNotFitError, Routed
from celosia.toolchain.seeds import best, try_seeds
from celosia.toolchain.timing import Clock, RouteReport, Used


def routed(seed: int, *mhz: float, required: float = 24.0) -> Routed:
    clocks = [Clock(f"clk{index}", value, required, None) for index, value in enumerate(mhz)]
    clocks.sort(key=lambda clock: clock.ratio)
    return Routed(seed, RouteReport({}, tuple(clocks)), f"seed{seed}.asc")


class Router:
    """Routes in pretence: gives each seed its frequency after a random time."""

    def __init__(self, mhz: dict[int, float], pause: random.Random | None = None) -> None:
        self.mhz = mhz
        self.pause = pause
        self.started: list[int] = []
        self.lock = threading.Lock()
        self.running = self.most = 0

    def __call__(self, seed: int, cancel: Cancel) -> Routed:
        if cancel.cancelled:
            raise CancelledError
        with self.lock:
            self.started.append(seed)
            self.running += 1
            self.most = max(self.most, self.running)
        if self.pause is not None:
            time.sleep(self.pause.uniform(0, 0.02))
        with self.lock:
            self.running -= 1
        if cancel.cancelled:
            raise CancelledError
        return routed(seed, self.mhz[seed])


@pytest.mark.parametrize("trial", range(20))
def test_the_first_seed_that_meets_the_clock_is_taken_however_long_each_takes(trial: int) -> None:
    rng = random.Random(trial)
    mhz = {seed: rng.uniform(18, 26) for seed in range(1, 9)}
    router = Router(mhz, rng)
    jobs = rng.randint(1, 8)
    tried = try_seeds(router, list(mhz), jobs=jobs)
    meets = [seed for seed, value in mhz.items() if value >= 24]
    last = meets[0] if meets else 8
    assert [r.seed for r in tried] == list(range(1, last + 1))
    assert best(tried).seed == (meets[0] if meets else max(mhz, key=lambda seed: mhz[seed]))
    assert router.most <= jobs


def test_with_one_job_nothing_is_routed_after_the_clock_is_met() -> None:
    router = Router({1: 20, 2: 25, 3: 30})
    results: list[int] = []
    tried = try_seeds(router, [1, 2, 3], jobs=1, on_result=lambda r: results.append(r.seed))
    assert [r.seed for r in tried] == results == [1, 2]
    assert router.started == [1, 2]


def test_all_seeds_are_tried_on_demand() -> None:
    tried = try_seeds(Router({5: 25, 2: 30, 9: 20}), [5, 2, 9], jobs=2, all_of_them=True)
    assert [r.seed for r in tried] == [5, 2, 9]
    assert best(tried).seed == 2


def test_the_slowest_clock_counts() -> None:
    assert best([routed(1, 50, 23), routed(2, 30, 25), routed(3, 90, 25)]).seed == 2
    assert best([routed(1), routed(2, 90)]).seed == 1


def test_a_seed_without_places_does_not_end_the_others() -> None:
    def route(seed: int, cancel: Cancel) -> Routed:
        if seed != 2:
            raise DoesNotFitError({"ICESTORM_LC": Used(5279, 5280)}, crowded=True)
        return routed(seed, 25)

    assert [r.seed for r in try_seeds(route, [1, 2, 3], jobs=1)] == [2]
    with pytest.raises(DoesNotFitError) as caught:
        try_seeds(route, [1, 3], jobs=2)
    assert caught.value.crowded


def test_spare_seeds_are_for_those_without_routes() -> None:
    tried: list[int] = []

    def route(seed: int, cancel: Cancel) -> Routed:
        tried.append(seed)
        if seed < 3:
            raise DoesNotFitError({"ICESTORM_LC": Used(5279, 5280)}, crowded=True)
        return routed(seed, 20)

    assert [r.seed for r in try_seeds(route, [1], jobs=1, spare=[2, 3, 4])] == [3]
    assert tried == [1, 2, 3]
    tried.clear()
    # A clock that is missed is no reason.
    assert [r.seed for r in try_seeds(route, [5], jobs=1, spare=[3, 4])] == [5]
    with pytest.raises(DoesNotFitError):
        try_seeds(route, [1], jobs=1, spare=[2])
    assert tried == [5, 1, 2]


@pytest.mark.parametrize(
    "error",
    [DoesNotFitError({"ICESTORM_LC": Used(5281, 5280)}, crowded=False), ToolError("broken")],
)
def test_other_failures_end_all(error: Exception) -> None:
    ended = threading.Event()

    def route(seed: int, cancel: Cancel) -> Routed:
        if seed == 1:
            raise error
        while not cancel.cancelled:
            time.sleep(0.001)
        ended.set()
        raise CancelledError

    with pytest.raises(type(error)):
        try_seeds(route, [1, 2], jobs=2)
    assert ended.is_set()
