"""Writes the files of this folder.  usage: make.py

What numpy makes of the formulas that the headers of src/aggregate name. Sums and
products are in float64, one operation after the other in the documented order, so
that C has to give the same bits. Needs numpy and safetensors.
"""
import pathlib

import numpy as np
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent
F32, F64 = np.float32, np.float64

# The defaults of src/aggregate/optimiser.h.
RATE = {"fedavgm": 1.0, "fedadagrad": 0.1, "fedadam": 0.1, "fedyogi": 0.1}
BETA1 = {"fedavgm": 0.9, "fedadagrad": 0.0, "fedadam": 0.9, "fedyogi": 0.9}
BETA2, TAU = 0.99, 0.001


def step(kind, x, mean, m, v):
    """Reddi et al. 2021, Algorithm 2; m and v are rounded before x is made of them."""
    x, delta = x.astype(F64), mean.astype(F64) - x.astype(F64)
    m, v, square = m.astype(F64), v.astype(F64), (mean.astype(F64) - x) ** 2
    if kind == "fedavgm":
        m = (BETA1[kind] * m + delta).astype(F32)
        return (x + RATE[kind] * m.astype(F64)).astype(F32), m, v.astype(F32)
    m = (BETA1[kind] * m + (1 - BETA1[kind]) * delta).astype(F32)
    if kind == "fedadagrad":
        v = v + square
    elif kind == "fedadam":
        v = BETA2 * v + (1 - BETA2) * square
    else:
        v = v - (1 - BETA2) * square * np.sign(v - square)
    v = v.astype(F32)
    x = x + RATE[kind] * m.astype(F64) / (np.sqrt(v.astype(F64)) + TAU)
    return x.astype(F32), m, v


def optimiser(kind, rng, count=61, steps=4):
    x = rng.standard_normal(count, dtype=F32)
    m, v = np.zeros(count, F32), np.full(count, F32(TAU * TAU))
    tensors = {"params.0": x}
    for t in range(1, steps + 1):
        # From far below sqrt(v) to far above, and where nothing moves at all.
        spread = (10.0 ** rng.uniform(-6, 2, count)).astype(F32)
        mean = x + spread * rng.standard_normal(count, dtype=F32)
        mean[:3] = x[:3]
        x, m, v = step(kind, x, mean, m, v)
        tensors |= {f"mean.{t}": mean, f"params.{t}": x, f"momentum.{t}": m}
        if kind != "fedavgm":
            tensors[f"second_moment.{t}"] = v
    save_file(tensors, HERE / f"{kind}.safetensors")


def in_order(rows):
    """Their sum in float64, one after the other: numpy's own adds in pairs."""
    return np.add.accumulate(rows.astype(F64), axis=0)[-1]


def ordered(x):
    """Each column ascending, -0 before +0 (numpy's sort takes them as equal)."""
    key = x.view(np.int32)
    key = np.sort(np.where(key < 0, key ^ 0x7FFFFFFF, key), axis=0)
    return np.where(key < 0, key ^ 0x7FFFFFFF, key).astype(np.int32).view(F32)


def trimmed_mean(x, trim):
    """Yin et al. 2018, option II; with trim (n - 1) // 2 the median, option I."""
    kept = ordered(x)[trim:len(x) - trim]
    return (in_order(kept) / len(kept)).astype(F32)


def rank(rng, n, count=77):
    x = (10.0 ** rng.uniform(-3, 3, count)).astype(F32) * rng.standard_normal((n, count), F32)
    x[:, :5] = rng.integers(-1, 2, (n, 5)) * F32(0.5)  # ties
    x[:, 5:9] = np.copysign(F32(0), rng.standard_normal((n, 4), F32))
    x[: n // 3, 9:] *= F32(1e30)  # who lies
    tensors = {"updates": x, "median": trimmed_mean(x, (n - 1) // 2)}
    assert np.allclose(tensors["median"], np.median(x.astype(F64), axis=0), rtol=1e-6)
    for trim in {0, 1, n // 10, n // 3} if n > 2 else {0}:
        tensors[f"trimmed.{trim}"] = trimmed_mean(x, trim)
    save_file(tensors, HERE / f"rank-{n}.safetensors")


def krum(rng, n=15, count=50, f=4, m=6):
    """Blanchard et al. 2017."""
    x = rng.standard_normal((n, count), F32) + 3
    x[[2, 7, 11, 14]] -= rng.uniform(2, 5, (f, 1)).astype(F32)  # who lies
    squares = ((x.astype(F64)[:, None] - x.astype(F64)[None]) ** 2).sum(axis=2)
    scores = np.sort(squares, axis=1)[:, 1:n - f - 1].sum(axis=1)
    best = np.argsort(scores)
    save_file({
        "updates": x, "f": np.array(f, F32), "m": np.array(m, F32),
        "scores": scores.astype(F32), "krum": x[best[0]],
        "multi_krum": (in_order(x[np.sort(best[:m])]) / m).astype(F32),
    }, HERE / "krum.safetensors")


def weighted_mean(x, weights):
    total = in_order(weights[:, None])[0]
    return (in_order(weights[:, None] * x.astype(F64)) / total).astype(F32)


def distance(x, z, lanes=16):
    """In as many sums as C has, each in order, then these in order."""
    squares = (x.astype(F64) - z.astype(F64)) ** 2
    squares = np.pad(squares, (0, -len(squares) % lanes)).reshape(-1, lanes)
    return np.sqrt(in_order(in_order(squares)[:, None])[0])


def geometric(rng, n=13, count=203, smoothing=1e-6):
    """Pillutla et al. 2019, smoothed Weiszfeld."""
    x = rng.standard_normal((n, count), F32)
    x[:4] += F32(50)  # who lies
    weights = rng.integers(1, 9, n).astype(F64)
    tensors = {"updates": x, "weights": weights.astype(F32)}
    z = tensors["iterations.0"] = weighted_mean(x, weights)
    for iteration in range(1, 4):
        beta = weights / np.maximum(smoothing, [distance(row, z) for row in x])
        z = tensors[f"iterations.{iteration}"] = weighted_mean(x, beta)
    save_file(tensors, HERE / "geometric.safetensors")


def main():
    geometric(np.random.default_rng(3))
    krum(np.random.default_rng(2))
    for n in [1, 2, 3, 10, 33]:
        rank(np.random.default_rng(n), n)
    for kind in RATE:
        optimiser(kind, np.random.default_rng(1))


main()
