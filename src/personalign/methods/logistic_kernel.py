"""The steps of `logistic.solve` compiled, one (problem, person) pair at a time.

On a CPU a pair's features fit in the cache next to the core, but PyTorch's operations each go over
all problems, so that most of the time is spent fetching. Here a pair stays in the cache from its
first step to its last. The steps are those of `logistic_steps.py`. Needs numba
(`pip install "personalign[fast]"`).
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from math import inf, log1p
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numba import njit

from personalign.methods import logistic_steps
from personalign.methods.logistic import Solved

if TYPE_CHECKING:
    from personalign.methods.logistic import Whitened

Array = np.ndarray

SAFE = {"reassoc", "contract", "nsz"}
"""What the compiler may assume: sums in any order. Infinities and NaN stay what they are."""


def descend(
    problems: Whitened, signs: torch.Tensor, judged: torch.Tensor | None, tolerance: float
) -> tuple[Solved, torch.Tensor]:
    """Step until every pair is finished, on as many threads as PyTorch has.

    As `logistic_steps.descend`; everything float32 and on the CPU.
    """
    count, base, width = problems.fitted.shape
    people, rows = len(signs), base + problems.others.shape[1]
    solutions = np.empty((count, people, width), np.float32)
    intercepts = np.empty((count, people), np.float32)
    decisions = np.empty((count, people, rows), np.float32)
    unfinished = np.empty((count, people), bool)
    asked = np.empty((0, rows), bool) if judged is None else judged.numpy()
    settings = (
        tolerance,
        logistic_steps.CAUTION,
        logistic_steps.CHECK_EVERY,
        logistic_steps.ITERATIONS,
    )

    def work(part: slice) -> None:
        _solve(
            problems.fitted[part].numpy(),
            problems.others[part].numpy(),
            problems.curvature[part, 0, 0].numpy(),
            problems.reach[part, 0].numpy(),
            signs.numpy(),
            asked,
            *settings,
            solutions[part],
            intercepts[part],
            decisions[part],
            unfinished[part],
        )

    threads = max(1, min(torch.get_num_threads(), count))
    edges = np.linspace(0, count, threads + 1).astype(int).tolist()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, map(slice, edges, edges[1:])))
    found = Solved(
        torch.from_numpy(solutions),
        torch.from_numpy(intercepts)[..., None],
        torch.from_numpy(decisions),
    )
    return found, torch.from_numpy(np.argwhere(unfinished))


@njit(nogil=True, cache=True, fastmath=SAFE)
def _solve(
    fitted: Array,
    others: Array,
    curvatures: Array,
    reach: Array,
    signs: Array,
    judged: Array,
    tolerance: float,
    caution: float,
    check_every: int,
    iterations: int,
    solutions: Array,
    intercepts: Array,
    decisions: Array,
    unfinished: Array,
) -> None:
    """Fit every problem for every person, into the last four arrays.

    fitted: (problems, base, width), others: (problems, rows - base, width), curvatures:
    (problems,), reach: (problems, rows), signs: (people, base), all float32. judged: (people, rows)
    bool, or (0, rows) where the solutions themselves are wanted. solutions: (problems, people,
    width), intercepts: (problems, people), decisions: (problems, people, rows), unfinished:
    (problems, people) bool.
    """
    count, base, width = fitted.shape
    target, image = np.empty(base, np.float32), np.empty(base, np.float32)
    gradient, before = np.empty(width, np.float32), np.empty(width, np.float32)
    direction = np.empty(width, np.float32)
    for problem in range(count):
        rows, rest, c = fitted[problem], others[problem], curvatures[problem]
        for person in range(len(signs)):
            sign = signs[person]
            solution, decision = solutions[problem, person], decisions[problem, person]
            solution[:], decision[:], before[:], direction[:] = 0, 0, 0, 0
            target[:] = np.float32(0.5) * sign
            intercept, before_size, least, finished = 0.0, inf, 1.0, False
            for iteration in range(1, iterations + 1):
                uneven = _gradient(rows, solution, target, decision, c, gradient)
                size = _dot(gradient, gradient)
                off = size + uneven * uneven / (c * base)
                finished = off <= tolerance * tolerance
                if finished:
                    break
                beta = max(0.0, (size - _dot(before, gradient)) / before_size)
                _turn(direction, beta, gradient, before)
                before_size = max(size, 1e-30)
                along, up, bend = _plane(rows, direction, gradient, sign, target, c, uneven, image)
                least = min(least, bend)
                intercept += up
                _advance(solution, decision, direction, image, along, up, sign, target)
                if iteration % check_every == 0 and len(judged):
                    error = off * (caution / least) ** 2
                    asked, far = judged[person], reach[problem]
                    finished = _sure(decision[:base], asked[:base], far[:base], error)
                    if finished:
                        finished = _sure_of(
                            rest, solution, intercept, asked[base:], far[base:], error
                        )
                    if finished:
                        break
            _decide(rest, solution, intercept, decision[base:])
            intercepts[problem, person] = intercept
            unfinished[problem, person] = not finished


@njit(nogil=True, cache=True, fastmath=SAFE)
def _gradient(
    rows: Array, solution: Array, target: Array, decision: Array, c: float, gradient: Array
) -> float:
    """Fill in the gradient u - Y'(target + c decisions); returns minus the intercept's."""
    gradient[:] = solution
    uneven = 0.0
    for i in range(len(rows)):
        uneven += target[i]
        pull = np.float32(target[i] + c * decision[i])
        row = rows[i]
        for k in range(len(row)):
            gradient[k] -= pull * row[k]
    return uneven


@njit(nogil=True, cache=True, fastmath=SAFE)
def _turn(direction: Array, beta: float, gradient: Array, before: Array) -> None:
    """The next direction; `before` keeps the gradient."""
    share = np.float32(beta)
    for k in range(len(direction)):
        direction[k] = share * direction[k] - gradient[k]
        before[k] = gradient[k]


@njit(nogil=True, cache=True, fastmath=SAFE)
def _plane(
    rows: Array,
    direction: Array,
    gradient: Array,
    sign: Array,
    target: Array,
    c: float,
    uneven: float,
    image: Array,
) -> tuple[float, float, float]:
    """How far along the direction, the intercept up, and the curvature met (`_Work._plane`)."""
    second, mixed, first, square, farthest = 1e-6, 0.0, 0.0, 0.0, 0.0
    for i in range(len(rows)):
        image[i] = value = _dot(rows[i], direction)
        bend = (sign[i] - target[i]) * target[i]
        second += bend
        mixed += bend * value
        first += bend * value * value
        square += value * value
        farthest = max(farthest, abs(value))
    length, slope = _dot(direction, direction), _dot(gradient, direction)
    first += max(0.0, length - c * square)
    determinant = max(first * second - mixed * mixed, 1e-30)
    along = -(mixed * uneven + second * slope) / determinant
    up = (mixed * slope + first * uneven) / determinant
    span = max(1e-6, farthest * abs(along) + abs(up))
    shorten = min(1.0, log1p(span) / span * (2.0 if span < 10.0 else 1.0))
    return along * shorten, up * shorten, first / max(length, 1e-30)


@njit(nogil=True, cache=True, fastmath=SAFE)
def _advance(
    solution: Array,
    decision: Array,
    direction: Array,
    image: Array,
    along: float,
    up: float,
    sign: Array,
    target: Array,
) -> None:
    """Go there: the solution, the base rows' decisions, and what the loss pulls at them."""
    far, high = np.float32(along), np.float32(up)
    for k in range(len(solution)):
        solution[k] += far * direction[k]
    for i in range(len(image)):
        decision[i] += far * image[i] + high
        target[i] = sign[i] / (np.float32(1) + np.exp(decision[i] * sign[i]))


@njit(nogil=True, cache=True, fastmath=SAFE)
def _decide(rows: Array, solution: Array, intercept: float, decision: Array) -> None:
    for i in range(len(rows)):
        decision[i] = _dot(rows[i], solution) + intercept


@njit(nogil=True, cache=True, fastmath=SAFE)
def _sure(decision: Array, judged: Array, reach: Array, error: float) -> bool:
    """Whether no judged row can change sides any more."""
    for i in range(len(decision)):
        if judged[i] and decision[i] * decision[i] <= error * reach[i]:
            return False
    return True


@njit(nogil=True, cache=True, fastmath=SAFE)
def _sure_of(
    rows: Array, solution: Array, intercept: float, judged: Array, reach: Array, error: float
) -> bool:
    """The same for rows whose decisions are not known yet; stops at the first that can."""
    for i in range(len(rows)):
        if judged[i] and (_dot(rows[i], solution) + intercept) ** 2 <= error * reach[i]:
            return False
    return True


@njit(nogil=True, cache=True, fastmath=SAFE)
def _dot(one: Array, other: Array) -> Any:
    value = np.float32(0)
    for k in range(len(one)):
        value += one[k] * other[k]
    return value
