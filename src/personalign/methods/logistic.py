"""L2-regularised logistic regression, many problems at once.

The objective is scikit-learn's `LogisticRegression` with its defaults (C = 1, an intercept that is
not penalised), for labels y of -1 or +1:

    minimise over w, b:   1/2 |w|^2 + sum_i log(1 + exp(-y_i (w . x_i + b)))

Persons differ in their labels only, so what depends on the features alone is done once, in
`whiten`: with P = X'X/4 + I = L L', the upper bound of the curvature (sigmoid' <= 1/4), the
problem is written in u = L'w with features Y = X L^-T. There every curvature lies below 1 and
nonlinear conjugate gradients take 5 to 30 steps, however badly the features are scaled. The
penalty costs nothing more: |w|^2 = u'(I - Y'Y/4)u, so its gradient is u - Y'(Yu)/4, and one step
is two products with Y.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

TOLERANCE = 1e-5
"""Where to stop: the length of the gradient in u. Decisions are then within about 1e-4."""

ITERATIONS = 400
"""The most steps; problems that need more are finished exactly by `newton`."""


@dataclass(frozen=True)
class Whitened:
    """The features of many problems, ready for any labels of their rows."""

    features: torch.Tensor
    """(problems, rows, width) Y = (X - centres) L^-T, for all rows."""
    base: int
    """How many rows, the first ones, labels may be given to: X'X and the centres are theirs."""
    factor: torch.Tensor
    """(problems, width, width) L, lower triangular."""
    centres: torch.Tensor
    """(problems, 1, width) mean of the base rows."""

    def weights(self, solution: torch.Tensor) -> torch.Tensor:
        """Weights w of the features themselves, from u (problems, people, width)."""
        return torch.linalg.solve_triangular(self.factor, solution, upper=False, left=False)


def whiten(features: torch.Tensor, base: int) -> Whitened:
    """Prepare many problems.

    features: (problems, rows, width) float32 or float64. base: how many rows, the first ones, will
        be fitted; the others are only predicted.
    """
    centres = features[:, :base].mean(dim=1, keepdim=True)
    centred = features - centres
    fitted = centred[:, :base]
    bound = (fitted.transpose(1, 2) @ fitted).mul_(0.25)
    bound.diagonal(dim1=1, dim2=2).add_(1.0)
    factor = torch.linalg.cholesky(bound)
    whitened = torch.linalg.solve_triangular(
        factor, centred.transpose(1, 2), upper=False
    ).transpose(1, 2)
    return Whitened(whitened.contiguous(), base, factor, centres)


def solve(
    problems: Whitened, signs: torch.Tensor, *, tolerance: float = TOLERANCE
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fit every problem for every person.

    signs: (people, base) +1 and -1 for the base rows, or 0 where this person's fit leaves one out.
    Returns the solutions u (problems, people, width) and intercepts (problems, people, 1) of the
    centred features: decisions are u Y' + intercepts for any row of `problems.features`.
    """
    rows = problems.features[:, : problems.base]
    signs = signs.to(rows)
    people, base = signs.shape
    solution = rows.new_zeros(len(rows), people, rows.shape[2])
    scores = rows.new_zeros(len(rows), people, base)  # Y u
    intercepts = rows.new_zeros(len(rows), people, 1)
    step = image = before = before_size = None
    target = _target(signs, scores)
    for _ in range(ITERATIONS):
        gradient = solution - (target + 0.25 * scores) @ rows
        uneven = target.sum(-1, keepdim=True)  # the intercept's gradient
        size = _dot(gradient, gradient)
        moving = size + uneven * uneven / base > tolerance * tolerance
        if not bool(moving.any()):
            return solution, intercepts
        if step is None or before is None or before_size is None:
            step = -gradient
        else:  # Polak and Ribiere, restarting where it would go negative
            beta = ((size - _dot(before, gradient)) / before_size.clamp(min=1e-30)).clamp_(min=0)
            step = step.mul_(beta).sub_(gradient)
        before, before_size = gradient, size
        image = step @ rows.transpose(1, 2)
        along, up = _plane_step(signs, target, gradient, step, image)
        along, up = along.mul_(moving), up.mul_(moving)
        solution.addcmul_(along, step)
        scores.addcmul_(along, image)
        intercepts.add_(up)
        target = _target(signs, scores + intercepts)
    _finish(problems, rows, signs, solution, intercepts, moving[..., 0])
    return solution, intercepts


def _plane_step(
    signs: torch.Tensor,
    target: torch.Tensor,
    gradient: torch.Tensor,
    step: torch.Tensor,
    image: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One Newton step in the plane of (step, intercept), shortened where it would go too far.

    The third derivative of the loss is at most R times the second, R the largest change of a
    decision (Bach 2010), so log(1 + R) / R of a Newton step never overshoots. That is cautious:
    up to R = 10 twice as much, at most the whole step, has proved quicker and safe.
    """
    curvature = target * (signs - target)  # sigmoid'
    curved = curvature * image
    slope, slope_up = _dot(gradient, step), -target.sum(-1, keepdim=True)
    penalty = _dot(step, step) - 0.25 * _dot(image, image)
    first = _dot(curved, image).add_(penalty.clamp_(min=0))
    mixed = curved.sum(-1, keepdim=True)
    second = curvature.sum(-1, keepdim=True).add_(1e-6)
    determinant = (first * second - mixed * mixed).clamp_(min=1e-30)
    along = (mixed * slope_up - second * slope) / determinant
    up = (mixed * slope - first * slope_up) / determinant
    reach = torch.linalg.vector_norm(along * image + up, ord=float("inf"), dim=-1, keepdim=True)
    reach = reach.clamp_(min=1e-6)
    shorten = torch.log1p(reach).div_(reach).mul_(1.0 + (reach < 10.0)).clamp_(max=1.0)
    return along.mul_(shorten), up.mul_(shorten)


def _target(signs: torch.Tensor, decisions: torch.Tensor) -> torch.Tensor:
    """y sigmoid(-y f): minus the loss's derivative in each decision."""
    return torch.sigmoid(-signs * decisions).mul_(signs)


def _dot(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return (one * other).sum(-1, keepdim=True)


def _finish(
    problems: Whitened,
    rows: torch.Tensor,
    signs: torch.Tensor,
    solution: torch.Tensor,
    intercepts: torch.Tensor,
    unfinished: torch.Tensor,
) -> None:
    """Solve exactly, one by one, whatever the descent left unfinished."""
    for problem, person in unfinished.nonzero().tolist():
        kept = signs[person] != 0
        factor = problems.factor[problem]
        features = rows[problem, kept] @ factor.T
        exact = newton(features, signs[person, kept])
        solution[problem, person] = (exact[:-1].to(factor) @ factor).to(solution)
        intercepts[problem, person] = exact[-1].to(intercepts)


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
        target = _target(labels, rows @ solution)
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
