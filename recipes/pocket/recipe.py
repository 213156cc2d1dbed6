"""The pocket model's recipe: every number of its training run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Every number of the training run."""

    seed: int = 0
    steps: int = 2400
    hidden: int = 160
    layers: int = 6
    heads: int = 5
    mlp: int = 448
    short_rows: int = 32
    long_rows: int = 9
    long_share: float = 0.4
    """Share of steps that train on long rows."""
    matrix_rate: float = 4e-3
    """Muon's rate for the layers' matrices, matched to AdamW's update size."""
    vector_rate: float = 3e-3
    """AdamW's rate for embeddings and norms."""
    warmup: int = 60
    weight_decay: float = 0.02
    amplify: float = 1.8
    """How much stronger people's traits are at first; falls to 1 at `amplify_until`."""
    amplify_until: float = 0.45
    variety_from: float = 0.25
    """First the product's own wording, where a person is learnt soonest; then any other."""
    variety_until: float = 0.35
    fall_from: float = 0.5
    """Where the learning rates begin to fall."""
    text_weight: float = 0.5
    form_weight: float = 0.4
    evidence_weight: float = 2.0
    posterior_weight: float = 1.0
    evidence_layer: int = 2
    posterior_layer: int = 4
    spoken_weight: float = 1.0
    spoken_from: int = 1400
    """Step from which the heads of that layer, not only the stream after it, are asked for who the
    person is and, at the end of a reply, for what that one answer says: a push of them along what
    answers say is then a push towards the person. To the last step."""
    said_scale: float = 3.0
    """How much longer than elsewhere an answer's part is there: about as long as a person is, so
    that a few standard deviations make a whole person."""
    topic_weight: float = 0.3
    topic_layer: int = 3
    level_weight: float = 0.5
    level_layer: int = 5
    response_weight: float = 1.0
    response_layer: int = 5
    """The answer meant is asked of a layer before the last, apart from the label that says it:
    which label means what is then all that is left to the last one."""
    heads_until: float = 0.88
    """Up to where the training-only heads count, `spoken` apart."""
    pushed_steps: int = 320
    """Steps of the last lesson, after the others."""
    described: float = 0.3
    """Share of the persona prompts of that lesson that describe instead of listing answers."""
    pushed_every: int = 2
    """Each so many of them, a batch of people to be pushed to is added."""
    pushed_people: int = 16
    pushed_asked: int = 32
    """Items each of these people is asked."""
    pushed_rate: float = 0.3
    """Height of the learning rates there, as a share of what they were."""
    pushed_warmup: int = 20
    pushed_fall_from: float = 0.3

    @property
    def all_steps(self) -> int:
        """Steps of both parts."""
        return self.steps + self.pushed_steps
