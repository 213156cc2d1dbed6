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

ITERATIONS = 300
"""The most steps; problems that need more are finished exactly by `newton`."""

CAUTION = 4.0
"""How much larger than estimated the error of a decision may be when only its sign is wanted.

The estimate is |Y_j| times the gradient over the least curvature met along the directions so far.
Over 666 probes, 576 of benchmarks/probes.py and 90 of the pocket model, the largest ratio of error
to estimate was 4.2 in the first two steps, 1.9 after five and 1.2 from the sixth on.
"""

CHECK_EVERY = 4
"""Steps between two looks at which problems are finished and can be set aside."""

SET_ASIDE = 0.75
"""Finished problems are set aside when what remains is less than this share."""


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


def solve(
    problems: Whitened,
    signs: torch.Tensor,
    *,
    judged: torch.Tensor | None = None,
    tolerance: float = TOLERANCE,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fit every problem for every person.

    signs: (people, base) +1 and -1 for the base rows, or 0 where this person's fit leaves one out.
    judged: (people, rows) true for rows, base rows first, of which only the decision's sign is
        wanted: a problem is then finished as soon as none of them can change sides any more.
    Returns the solutions u (problems, people, width) and intercepts (problems, people, 1) of the
    centred features: decisions are u Y' + intercepts for any row.
    """
    count, _, width = problems.fitted.shape
    signs = signs.to(problems.fitted)
    people = len(signs)
    solutions = signs.new_zeros(count, people, width)
    intercepts = signs.new_zeros(count, people, 1)
    work = _Work(problems, signs, judged)
    for iteration in range(1, ITERATIONS + 1):
        off = work.step(tolerance)
        if iteration % CHECK_EVERY == 0:
            moving = (off > tolerance * tolerance) & ~work.sure(off)
            if not work.narrow(moving[..., 0], solutions, intercepts):
                return solutions, intercepts
    problem, person = work.write(solutions, intercepts)
    _finish(problems, signs, solutions, intercepts, problem, person)
    return solutions, intercepts


class _Work:
    """The (problem, person) pairs still being solved: (problems, slots) of them, some finished.

    Everything is (problems, slots, rows), (problems, slots, width) or (problems, slots, 1). The
    decisions hold the intercepts: Y is centred, so a constant adds nothing to Y' decisions.
    """

    def __init__(
        self, problems: Whitened, signs: torch.Tensor, judged: torch.Tensor | None
    ) -> None:
        features = problems.fitted
        count, _, width = features.shape
        people, base = signs.shape
        self.features = features
        self.others = problems.others
        self.reach = problems.reach
        self.curvature = problems.curvature
        self.judged = None if judged is None else judged.expand(count, -1, -1)
        self.problem = torch.arange(count, device=features.device)[:, None].expand(-1, people)
        self.person = torch.arange(people, device=features.device).expand(count, -1)
        self.signs = signs.expand(count, -1, -1)
        self.turned = -self.signs
        self.solution = features.new_zeros(count, people, width)
        self.intercept = features.new_zeros(count, people, 1)
        self.decisions = features.new_zeros(count, people, base)
        self.target = 0.5 * self.signs  # y sigmoid(-y f): minus the loss's derivative
        self.direction = torch.zeros_like(self.solution)
        self.before = torch.zeros_like(self.solution)
        self.before_size = torch.full_like(self.intercept, float("inf"))
        self.least = torch.ones_like(self.intercept)

    def step(self, tolerance: float) -> torch.Tensor:
        """One step of every pair whose gradient is longer than tolerance; returns their squares."""
        pull = torch.addcmul(self.target, self.decisions, self.curvature)
        gradient = self.solution - pull @ self.features
        uneven = self.target.sum(-1, keepdim=True)  # minus the intercept's gradient
        size = _dot(gradient, gradient)
        off = torch.addcdiv(size, uneven * uneven, self.curvature, value=1 / pull.shape[-1])
        moving = off > tolerance * tolerance
        # Polak and Ribiere, restarting where it would go negative
        beta = ((size - _dot(self.before, gradient)) / self.before_size).clamp_(min=0)
        direction = self.direction.mul_(beta).sub_(gradient)
        image = direction @ self.features.transpose(1, 2)
        self.before, self.before_size = gradient, size.clamp_(min=1e-30)
        along, up = self._plane(_dot(gradient, direction), uneven, direction, image)
        along, up = along.mul_(moving), up.mul_(moving)
        self.solution.addcmul_(along, direction)
        self.decisions.addcmul_(along, image).add_(up)
        self.intercept.add_(up)
        self.target = torch.sigmoid(self.decisions * self.turned).mul_(self.signs)
        return off

    def sure(self, off: torch.Tensor) -> torch.Tensor:
        """Whether no judged row can change sides any more, given the gradients' squared lengths."""
        if self.judged is None:
            return torch.zeros_like(off, dtype=torch.bool)
        others = self.solution @ self.others.transpose(1, 2) + self.intercept
        decisions = torch.cat([self.decisions, others], dim=-1)
        error = off * (CAUTION / self.least) ** 2 * self.reach
        return ((decisions * decisions > error) | ~self.judged).all(-1, keepdim=True)

    def _plane(
        self,
        slope: torch.Tensor,
        uneven: torch.Tensor,
        direction: torch.Tensor,
        image: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """How far to go along the direction, and the intercept up: one Newton step in their plane.

        It is shortened where it would go too far: the third derivative of the loss is at most R
        times the second, R the largest change of a decision (Bach 2010), so log(1 + R) / R of a
        Newton step never overshoots. That is cautious: up to R = 10 twice as much, at most the
        whole step, has proved quicker and safe.
        """
        curvature = (self.signs - self.target).mul_(self.target)  # sigmoid'
        second = curvature.sum(-1, keepdim=True).add_(1e-6)
        curved = curvature.mul_(image)
        mixed = curved.sum(-1, keepdim=True)
        length = _dot(direction, direction)
        penalty = length - self.curvature * _dot(image, image)
        first = _dot(curved, image).add_(penalty.clamp_(min=0))
        self.least = torch.minimum(self.least, first / length.clamp_(min=1e-30))
        determinant = (first * second).sub_(mixed * mixed).clamp_(min=1e-30)
        along = (mixed * uneven).addcmul_(second, slope).div_(determinant).neg_()
        up = (mixed * slope).addcmul_(first, uneven).div_(determinant)
        reach = (image.abs().amax(-1, keepdim=True) * along.abs()).add_(up.abs())
        reach = reach.clamp_(min=1e-6)
        shorten = torch.log1p(reach).div_(reach).mul_(1.0 + (reach < 10.0)).clamp_(max=1.0)
        return along.mul_(shorten), up.mul_(shorten)

    def narrow(
        self, moving: torch.Tensor, solutions: torch.Tensor, intercepts: torch.Tensor
    ) -> bool:
        """Set finished pairs aside once they are many; False when nothing is left to do."""
        counts = moving.sum(dim=1)
        kept = counts.nonzero()[:, 0]
        slots = int(counts.max())
        if slots and len(kept) * slots > SET_ASIDE * moving.numel():
            return True
        self.write(solutions, intercepts)
        if not slots:
            return False
        order = moving[kept].to(torch.int8).argsort(dim=1, descending=True, stable=True)[:, :slots]
        for name, values in vars(self).items():
            if name in ("features", "others", "reach", "curvature"):
                setattr(self, name, values[kept])
                continue
            if values is None:
                continue
            index = order if values.ndim == 2 else order[..., None].expand(-1, -1, values.shape[2])
            setattr(self, name, values[kept].gather(1, index))
        return True

    def write(
        self, solutions: torch.Tensor, intercepts: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Copy what has been found to where it is wanted; returns the pairs, finished or not."""
        solutions[self.problem, self.person] = self.solution
        intercepts[self.problem, self.person] = self.intercept
        return self.problem, self.person


def _dot(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return (one * other).sum(-1, keepdim=True)


def _finish(
    problems: Whitened,
    signs: torch.Tensor,
    solutions: torch.Tensor,
    intercepts: torch.Tensor,
    problem: torch.Tensor,
    person: torch.Tensor,
) -> None:
    """Solve pairs that the steps left unfinished exactly, one by one."""
    for place, who in zip(problem.flatten().tolist(), person.flatten().tolist(), strict=True):
        kept = signs[who] != 0
        factor = problems.factor[place]
        exact = newton(problems.fitted[place, kept] @ factor.T, signs[who, kept])
        solutions[place, who] = (exact[:-1].to(factor) @ factor).to(solutions)
        intercepts[place, who] = exact[-1].to(intercepts)


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
