"""All heads' probes at once against a scikit-learn loop: python benchmarks/probes.py

The arrays are a synthetic capture of a model of 32 layers x 32 heads of 128, 240 chats, like an
8B Llama's; the outputs grow over the layers, from 0.1 to 1.0, as they do in real models. Both fit
the same training rows of the same person and judge the same others.

    loop             LogisticRegression(max_iter=1000).fit and .score, one head after the other
    loop, 1 thread   the same with one thread of linear algebra, which is quicker at this size
    loop, converged  the same with tol=1e-8 on float64: the accuracies ours are compared with. The
                     default stops so early that some of its own accuracies are off by a row
    one person       ProbeFitter.fit for one person
    64 people        ProbeFitter.fit for 64 people at once, per person
    ... in PyTorch   the same two without the compiled steps: as it is where numba is not installed
    compiling        the first call of all on a machine
    preparing        ProbeFitter(...), what depends on the model only: once per model, not a person

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

from personalign.methods import probes
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
    _, first = timed(lambda: fitter.fit(labels[:1], train), 1)
    ours, one = timed(lambda: fitter.fit(labels[:1], train), REPEATS)
    together, many = timed(lambda: fitter.fit(labels, train), 2)
    compiled, probes.has_numba = probes.has_numba, lambda: False
    plain, plain_one = timed(lambda: fitter.fit(labels[:1], train), REPEATS)
    _, plain_many = timed(lambda: fitter.fit(labels, train), 2)
    probes.has_numba = compiled
    default, loop = theirs(outputs.numpy(), labels[0], train, max_iter=1000)
    with threadpool_limits(1):
        _, single = theirs(outputs.numpy(), labels[0], train, max_iter=1000)
        exact, converged = theirs(
            outputs.double().numpy(), labels[0], train, max_iter=100_000, tol=1e-8
        )
    rows = {
        "loop": loop,
        "loop, 1 thread": single,
        "loop, converged": converged,
        "ours, one person": one,
        "ours, 64 people, per person": many / PEOPLE,
        "ours, one person and preparing": preparing + one,
        "in PyTorch, one person": plain_one,
        "in PyTorch, 64 people, a person": plain_many / PEOPLE,
    }
    print(f"\n{'':32}{'seconds':>9}   times faster than the loop, with 1 thread, converged")
    for name, seconds in rows.items():
        print(f"{name:32}{seconds:9.3f}", end="")
        print("".join(f"{other / seconds:15.1f}" for other in (loop, single, converged)))
    print(f"{'preparing, once per model':32}{preparing:9.3f}")
    print(f"{'the first call (compiling)':32}{first:9.3f}")
    mine = ours.validation_accuracy[0]
    print("\nequal validation accuracies, of all heads:")
    print(f"  ours and the loop, converged      {agreement(mine, exact)}")
    print(f"  PyTorch's and the loop, converged {agreement(plain.validation_accuracy[0], exact)}")
    print(f"  ours and the loop, default        {agreement(mine, default)}")
    print(f"  the loop, default and converged   {agreement(default, exact)}")
    print(f"  one person alone and among 64     {agreement(mine, together.validation_accuracy[0])}")
    if options.json:
        options.json.write_text(json.dumps({**rows, "preparing": preparing}, indent=2) + "\n")


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
    arrays: np.ndarray, labels: np.ndarray, train: np.ndarray, **settings: float
) -> tuple[np.ndarray, float]:
    """(layers, heads) validation accuracies by scikit-learn, and the seconds it took."""
    kept = labels != 0
    fit, judge = kept & train, kept & ~train
    accuracy = np.empty(arrays.shape[1:3])
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


def agreement(one: np.ndarray, other: np.ndarray) -> str:
    equal = np.isclose(one, other, atol=1e-6)
    return f"{equal.sum()} of {equal.size}, largest difference {np.abs(one - other).max():.4f}"


if __name__ == "__main__":
    main()
