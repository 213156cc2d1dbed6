"""All heads' probes at once against a scikit-learn loop: python benchmarks/probes.py

The arrays are a synthetic capture of a model of 32 layers x 32 heads of 128, 240 chats, like an
8B Llama's. Both fit the same training rows of the same person and judge the same others.

    scikit-learn   LogisticRegression().fit and .score, one head after the other, on its quickest
                   setting here (one thread of linear algebra, which beats two at this size)
    preparing      what depends on the model only, once per model and split (ProbeFitter)
    one person     ProbeFitter.fit for one person, then
    64 people      for 64 people at once, per person

The outputs' size decides how long scikit-learn takes, so it grows over the layers, as it does in
real models: from 0.1 to 1.0. Accuracies are compared with scikit-learn's, converged (tol=1e-8);
its default stops so early that a few of its own accuracies differ by a row.

--quick does eight heads of each layer. --json FILE keeps the figures.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from personalign.methods.probes import ProbeFitter, row_labels
from personalign.methods.split import item_split

LAYERS, HEADS, WIDTH, ITEMS, PEOPLE = 32, 32, 128, 120, 64
REPEATS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="eight heads of each layer")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    heads = 8 if options.quick else HEADS
    outputs, responses = capture(heads)
    labels = row_labels(responses)
    train = np.repeat(item_split(ITEMS, seed=0), 2)
    print(f"{LAYERS} layers x {heads} heads of {WIDTH}, {2 * ITEMS} chats, ", end="")
    print(f"{torch.get_num_threads()} threads, torch {torch.__version__}")

    fitter, preparing = timed(lambda: ProbeFitter(outputs, train), 2)
    found, one = timed(lambda: fitter.fit(labels[:1], train), REPEATS)
    many_found, many = timed(lambda: fitter.fit(labels, train), 2)
    accuracy, loop = theirs(outputs, labels[0], train)
    converged, converged_loop = theirs(outputs, labels[0], train, tol=1e-8, max_iter=10_000)
    same = found.validation_accuracy[0]

    rows = [
        ("scikit-learn loop, one person", loop, 1.0),
        ("  the same, converged (tol=1e-8)", converged_loop, loop / converged_loop),
        ("ours, one person", one, loop / one),
        ("ours, 64 people at once, per person", many / PEOPLE, loop / (many / PEOPLE)),
        ("ours, preparing the capture, once", preparing, None),
        ("ours, one person and the preparing", preparing + one, loop / (preparing + one)),
    ]
    print(f"\n{'':38}{'seconds':>9}{'times faster':>15}")
    for name, seconds, ratio in rows:
        print(f"{name:38}{seconds:9.3f}{'' if ratio is None else f'{ratio:15.1f}'}")
    print(f"\nvalidation accuracies equal to scikit-learn's, converged: {agree(same, converged)}")
    print(f"                        to scikit-learn's default: {agree(same, accuracy)}")
    print(
        f"of 64 people at once, to one person alone: {agree(many_found.validation_accuracy[0], same)}"
    )
    if options.json:
        figures = {name.strip(): {"seconds": s, "times_faster": r} for name, s, r in rows}
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def capture(heads: int) -> tuple[torch.Tensor, np.ndarray]:
    """(240, 32, heads, 128) outputs and (64, 120) answers that the outputs know something of.

    Every head's output is a mean, a part for the answer given, a part for what the item is about
    (eight latent directions), their product and noise, mixed differently in each head.
    """
    rng = np.random.default_rng(0)
    about = rng.normal(size=(ITEMS, 8))
    tastes = rng.normal(size=(PEOPLE, 8))
    agreement = about @ tastes.T + rng.normal(size=(ITEMS, PEOPLE))
    answers = np.clip(np.rint(3 + 0.6 * agreement.T), 1, 5).astype(np.int8)
    topic, answer = np.repeat(about, 2, axis=0), np.tile([1.0, -1.0], ITEMS)[:, None]
    outputs = np.empty((2 * ITEMS, LAYERS, heads, WIDTH), np.float32)
    for layer, scale in enumerate(np.geomspace(0.1, 1.0, LAYERS)):
        for head in range(heads):
            mix = (
                rng.normal(size=(2, 8, WIDTH)) * np.array([0.35, 0.4 * rng.random()])[:, None, None]
            )
            mean, push = rng.normal(size=WIDTH), 0.5 * rng.normal(size=WIDTH)
            noise = 0.5 * rng.normal(size=(2 * ITEMS, WIDTH))
            outputs[:, layer, head] = scale * (
                mean + topic @ mix[0] + answer * push + (answer * topic) @ mix[1] + noise
            )
    return torch.from_numpy(outputs), answers


def theirs(
    outputs: torch.Tensor, labels: np.ndarray, train: np.ndarray, **settings: float
) -> tuple[np.ndarray, float]:
    """(layers, heads) validation accuracies by scikit-learn, and the seconds it took."""
    arrays, kept = outputs.numpy(), labels != 0
    fit, judge = kept & train, kept & ~train
    accuracy = np.empty(arrays.shape[1:3])
    settings.setdefault("max_iter", 1000)
    with threadpool_limits(1):
        began = time.perf_counter()
        for layer in range(arrays.shape[1]):
            for head in range(arrays.shape[2]):
                probe = LogisticRegression(**settings)
                probe.fit(arrays[fit, layer, head], labels[fit])
                accuracy[layer, head] = probe.score(arrays[judge, layer, head], labels[judge])
        return accuracy, time.perf_counter() - began


def timed(work, repeats: int):
    """The result, and the least seconds of several runs."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    return result, min(seconds)


def agree(ours: np.ndarray, other: np.ndarray) -> str:
    equal = np.isclose(ours, other, atol=1e-6)
    return (
        f"{equal.sum()} of {equal.size} heads, largest difference {np.abs(ours - other).max():.4f}"
    )


if __name__ == "__main__":
    main()
