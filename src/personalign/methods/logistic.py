"""L2-regularised logistic regression, many problems at once.

The objective is scikit-learn's `LogisticRegression` with its defaults (C = 1, an intercept that is
not penalised), for labels y of -1 or +1:

    minimise over w, b:   1/2 |w|^2 + sum_i log(1 + exp(-y_i (w . x_i + b)))

Persons differ in their labels only, so what depends on the features alone is done once, in
`whiten`: with c X'X + I = L L', c a typical curvature of the loss, the problem is written in
u = L'w with features Y = X L^-T. There all curvatures are of one order, and nonlinear conjugate
gradients take 5 to 50 steps, however badly the features are scaled. The penalty costs nothing more:
|w|^2 = u'(I - c Y'Y)u, so its gradient is u - c Y'(Yu), and one step is two products with Y.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

SURE = 12.0
"""Mean squared length of centred features at which c is half of 1/4, the most that sigmoid' can be.

Longer features make surer probes, and sigmoid' falls with that. Any c gives the same solution;
c = 1/4 / (1 + length^2 / 12) took the fewest steps over lengths^2 of 1 to 400.
"""

TOLERANCE = 2e-5
"""Where to stop: the length of the gradient in u. Decisions are then within about 1e-4."""


@dataclass(frozen=True)
class Whitened:
    """The features of many problems, ready for any labels of their rows."""

    fitted: torch.Tensor
    """(problems, base, width) Y = (X - centres) L^-T of the rows that labels may be given to."""
    others: torch.Tensor
    """(problems, rows - base, width) the same of the rows that are only predicted."""
    factor: torch.Tensor
    """(problems, width, width) L, lower triangular."""
    centres: torch.Tensor
    """(problems, 1, width) mean of the base rows."""
    curvature: torch.Tensor
    """(problems, 1, 1) c."""
    reach: torch.Tensor
    """(problems, 1, rows) how far a row's decision goes at most, squared, when u and, in units of
    1 / sqrt(c base), the intercept together go a step of length 1."""

    def weights(self, solution: torch.Tensor) -> torch.Tensor:
        """Weights w of the features themselves, from u (problems, people, width)."""
        return torch.linalg.solve_triangular(self.factor, solution, upper=False, left=False)

    def part(self, span: slice) -> Whitened:
        """Some of the problems."""
        return Whitened(*(values[span] for values in vars(self).values()))


def whiten(features: torch.Tensor, base: int) -> Whitened:
    """Prepare many problems.

    features: (problems, rows, width) float32 or float64. base: how many rows, the first ones, will
        be fitted; the others are only predicted.
    """
    centres = features[:, :base].mean(dim=1, keepdim=True)
    centred = features - centres
    fitted = centred[:, :base]
    length = fitted.square().sum(dim=(1, 2), keepdim=True) / base
    curvature = 0.25 / (1.0 + length / SURE)
    metric = (fitted.transpose(1, 2) @ fitted).mul_(curvature)
    metric.diagonal(dim1=1, dim2=2).add_(1.0)
    factor = torch.linalg.cholesky(metric)
    whitened = torch.linalg.solve_triangular(
        factor, centred.transpose(1, 2), upper=False
    ).transpose(1, 2)
    reach = whitened.square().sum(dim=-1)[:, None] + 1 / (curvature * base)
    return Whitened(
        whitened[:, :base].contiguous(),
        whitened[:, base:].contiguous(),
        factor,
        centres,
        curvature,
        reach,
    )


@dataclass(frozen=True)
class Solved:
    """The probes of every problem for every person, in the whitened features."""

    solutions: torch.Tensor
    """(problems, people, width) u."""
    intercepts: torch.Tensor
    """(problems, people, 1) of the centred features."""
    decisions: torch.Tensor
    """(problems, people, rows) u Y' + intercepts, base rows first."""


def solve(
    problems: Whitened,
    signs: torch.Tensor,
    *,
    judged: torch.Tensor | None = None,
    tolerance: float = TOLERANCE,
    compiled: bool = False,
) -> Solved:
    """Fit every problem for every person.

    signs: (people, base) +1 and -1 for the base rows, or 0 where this person's fit leaves one out.
    judged: (people, rows) true for rows, base rows first, of which only the decision's sign is
        wanted: a problem is then finished as soon as none of them can change sides any more.
    compiled: on a CPU, take the steps of `logistic_kernel.py`, which needs numba, instead of
        PyTorch's: the same ones, without waiting for memory.
    """
    signs = signs.to(problems.fitted)
    if compiled:
        from personalign.methods.logistic_kernel import descend
    else:
        from personalign.methods.logistic_steps import descend
    found, unfinished = descend(problems, signs, judged, tolerance)
    _finish(problems, signs, found, unfinished)
    return found


def _finish(
    problems: Whitened, signs: torch.Tensor, found: Solved, unfinished: torch.Tensor
) -> None:
    """Solve pairs (pairs, 2) of (problem, person) that the steps left unfinished exactly."""
    for place, who in unfinished.tolist():
        kept = signs[who] != 0
        factor = problems.factor[place]
        exact = newton(problems.fitted[place, kept] @ factor.T, signs[who, kept])
        solution, intercept = (exact[:-1].to(factor) @ factor), exact[-1].to(factor)
        found.solutions[place, who] = solution
        found.intercepts[place, who] = intercept
        rows = torch.cat([problems.fitted[place], problems.others[place]])
        found.decisions[place, who] = rows @ solution + intercept


def newton(features: torch.Tensor, signs: torch.Tensor) -> torch.Tensor:
    """One problem to machine precision: features (rows, width), signs (rows,) of +1 and -1.

    Damped Newton steps in float64 on the CPU; returns (width + 1,), the intercept last.
    """
    rows = torch.cat([features, torch.ones_like(features[:, :1])], dim=1).double().cpu()
    labels = signs.double().cpu()
    penalty = torch.ones(rows.shape[1], dtype=torch.float64)
    penalty[-1] = 0.0
    solution = torch.zeros(rows.shape[1], dtype=torch.float64)

    def objective(at: torch.Tensor) -> torch.Tensor:
        margins = labels * (rows @ at)
        return torch.nn.functional.softplus(-margins).sum() + 0.5 * (penalty * at * at).sum()

    for _ in range(200):
        target = labels * torch.sigmoid(-labels * (rows @ solution))
        gradient = penalty * solution - rows.T @ target
        curvature = rows.T @ (rows * (target * (labels - target))[:, None])
        curvature += torch.diag(penalty + 1e-12)
        step = torch.linalg.solve(curvature, gradient)
        length, here = 1.0, objective(solution)
        while length > 1e-6 and objective(solution - length * step) > here:
            length /= 2
        solution = solution - length * step
        if float(step.abs().max()) < 1e-10:
            break
    return solution
