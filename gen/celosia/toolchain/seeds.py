# SPDX-License-Identifier: BSD-2-Clause
"""Tries several seeds at the same time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from .execute import Cancel, CancelledError
from .route import DoesNotFitError, Routed


def try_seeds(
    route: Callable[[int, Cancel], Routed],
    seeds: Sequence[int],
    *,
    jobs: int,
    spare: Sequence[int] = (),
    all_of_them: bool = False,
    on_result: Callable[[Routed], None] | None = None,
) -> list[Routed]:
    """Routes with one seed after another, ``jobs`` of them at a time, until one meets its clocks.

    The result does not depend on how fast the machine is: it ends with the first seed, in the order
    of ``seeds``, that meets the clocks, even if a later one is ready before.

    Args:
        route: places and routes with a seed; runs in a thread.
        seeds: the seeds, each once.
        jobs: how many are tried at the same time.
        spare: seeds that are tried, one after another, if nextpnr finds no places or no routes with
            any of ``seeds``.
        all_of_them: go on after a seed met its clocks.
        on_result: called with each result, in the order in which they come.

    Returns:
        The results, in the order of ``seeds``. Those for which nextpnr found no places or no routes
        are left out.

    Raises:
        DoesNotFitError: the device is too small, or no seed found places and routes for all cells.
        ToolError: nextpnr fails.
    """
    cancels = {seed: Cancel() for seed in seeds}
    results: dict[int, Routed] = {}
    crowded: dict[int, DoesNotFitError] = {}
    wanted = list(seeds)

    def attempt(seed: int) -> Routed:
        # Cancels from here, not from the thread that waits: the pool begins the next seed at once.
        try:
            routed = route(seed, cancels[seed])
        except CancelledError:
            raise
        except Exception as error:
            if not isinstance(error, DoesNotFitError) or not error.crowded:
                _cancel(cancels, seeds)
            raise
        if routed.report.met and not all_of_them:
            # What comes after it is not needed any more; what came before may be.
            _cancel(cancels, seeds[seeds.index(seed) + 1 :])
        return routed

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        running: dict[Future[Routed], int] = {pool.submit(attempt, seed): seed for seed in seeds}
        try:
            while any(seed not in results and seed not in crowded for seed in wanted):
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    seed = running.pop(future)
                    try:
                        results[seed] = future.result()
                    except CancelledError:
                        continue
                    except DoesNotFitError as error:
                        if not error.crowded:
                            raise
                        crowded[seed] = error
                        continue
                    if on_result is not None and seed in wanted:
                        on_result(results[seed])
                    if results[seed].report.met and not all_of_them and seed in wanted:
                        wanted = wanted[: wanted.index(seed) + 1]
        finally:
            _cancel(cancels, seeds)
    found = [results[seed] for seed in wanted if seed in results]
    if not found and spare:
        return try_seeds(route, spare[:1], jobs=1, spare=spare[1:], on_result=on_result)
    if not found:
        raise crowded[wanted[0]]
    return found


def _cancel(cancels: dict[int, Cancel], seeds: Sequence[int]) -> None:
    for seed in seeds:
        cancels[seed].now()


def best(routed: Sequence[Routed]) -> Routed:
    """The one that comes closest to its clocks or exceeds them most; the first of equal ones."""
    return max(routed, key=_margin)


def _margin(routed: Routed) -> float:
    clocks = routed.report.clocks
    return clocks[0].ratio if clocks else float("inf")
