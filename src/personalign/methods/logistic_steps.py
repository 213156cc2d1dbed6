"""The steps of `logistic.solve` in PyTorch: nonlinear conjugate gradients for many pairs at once.

A pair is one problem, that is one head's features, and one person's labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from personalign.methods.logistic import Solved

if TYPE_CHECKING:
    from personalign.methods.logistic import Whitened

ITERATIONS = 300
"""The most steps; pairs that need more are finished exactly by `logistic.newton`."""

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


def descend(
    problems: Whitened, signs: torch.Tensor, judged: torch.Tensor | None, tolerance: float
) -> tuple[Solved, torch.Tensor]:
    """Step until every pair is finished; the arguments are those of `logistic.solve`.

    Returns what was found, and (pairs, 2) the problem and the person of pairs left unfinished.
    """
    count, _, width = problems.fitted.shape
    solutions = signs.new_zeros(count, len(signs), width)
    intercepts = signs.new_zeros(count, len(signs), 1)
    work = _Work(problems, signs, judged)
    unfinished = None
    for iteration in range(1, ITERATIONS + 1):
        off = work.step(tolerance)
        if iteration % CHECK_EVERY == 0:
            moving = (off > tolerance * tolerance) & ~work.sure(off)
            if not work.narrow(moving[..., 0], solutions, intercepts):
                unfinished = torch.empty(0, 2, dtype=torch.long)
                break
    if unfinished is None:
        pairs = work.write(solutions, intercepts)
        unfinished = torch.stack([part.flatten() for part in pairs], dim=1)
    parts = (problems.fitted, problems.others)
    decisions = torch.cat([solutions @ part.transpose(1, 2) for part in parts], dim=-1)
    return Solved(solutions, intercepts, decisions.add_(intercepts)), unfinished


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
