#!/usr/bin/env python3
"""The full summary of many values: Isodyne beside the same in NumPy and SciPy, in turns, on one core.

    cargo build --release --package xtask
    python3 scripts/summary_versus_numpy.py [VALUES] [ROUNDS]

What is computed on either side: minimum, maximum, p50, p90, p95, p99 (type 7), mean, sample standard deviation, order
statistics for four intervals by binomial ranks, the autocorrelation at lag 1, batch means of four indicators and of the
values, the Theil-Sen slope over 400 points, the cut of MSER-5, stalls. Times are on a core (CPU time), medians of rounds.
"""

import os
import statistics
import subprocess
import sys
import time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy
import scipy
import scipy.stats

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))


def series(kind, n):
    random = numpy.random.default_rng(1)
    if kind == "coarse-clock":
        return (random.integers(0, 20, n) + random.integers(0, 20, n)) * 1000.0 + 1e6
    noise = random.standard_normal(n)
    if kind == "correlated":
        from scipy.signal import lfilter

        noise = lfilter([(1 - 0.49) ** 0.5], [1, -0.7], noise)
    return 1e8 * numpy.exp(0.1 * noise)


def batch_variance(values, size):
    count = len(values) // size
    return values[: count * size].reshape(count, size).mean(axis=1).var(ddof=1)


def summary(values):
    n = len(values)
    ordered = numpy.sort(values)
    quantiles = numpy.quantile(ordered, [0.5, 0.9, 0.95, 0.99])
    size = int(2 * n**0.5)
    intervals = []
    for q, quantile in zip([0.5, 0.9, 0.95, 0.99], quantiles):
        inflation = max(1.0, batch_variance(values <= quantile, size) * size / (q * (1 - q)))
        low, high = scipy.stats.binom.ppf([0.025, 0.975], n, q)
        wider = inflation**0.5
        ranks = [int(n * q + (low - n * q) * wider) - 1, int(n * q + (high - n * q) * wider)]
        intervals.append(ordered[numpy.clip(ranks, 0, n - 1)])
    mean, deviation = values.mean(), values.std(ddof=1)
    centred = values - mean
    square = numpy.dot(centred, centred)
    first = numpy.dot(centred[1:], centred[:-1]) / square
    effective = n / max(1.0, batch_variance(values, size) * size / deviation**2)
    points = numpy.array([numpy.median(part[:: -(-len(part) // 101)]) for part in numpy.array_split(values, 400)])
    drift = scipy.stats.theilslopes(points)
    width = max(5, -(-n // 2000))
    batches = values[: n // width * width].reshape(-1, width).mean(axis=1)[::-1]
    count = numpy.arange(1, len(batches) + 1)
    shifted = batches - batches[0]
    error = (numpy.cumsum(shifted**2) - numpy.cumsum(shifted) ** 2 / count) / count**2
    cut = len(batches) - 1 - numpy.argmin(error[len(batches) // 2 :])
    stalls = n - numpy.searchsorted(ordered, 10 * quantiles[0], side="right")
    return ordered[0], ordered[-1], mean, deviation, intervals, first, effective, drift, cut, stalls


def own(n):
    command = [os.path.join(TARGET, "release", "xtask"), "speed", "--values", str(n), "--repeats", "1"]
    environment = dict(os.environ, CARGO_MANIFEST_DIR=os.path.join(ROOT, "xtask"))
    lines = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout.splitlines()[1:]
    return {line.split()[0]: float(line.split()[4]) for line in lines}


def main():
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000_000
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    data = {kind: series(kind, n) for kind in ("independent", "correlated", "coarse-clock")}
    ours, theirs = {kind: [] for kind in data}, {kind: [] for kind in data}
    for _ in range(rounds):
        for kind, seconds in own(n).items():
            ours[kind].append(seconds)
        for kind, values in data.items():
            begin = time.process_time()
            summary(values)
            theirs[kind].append(time.process_time() - begin)
    print(f"{n} values, {rounds} rounds, numpy {numpy.__version__}, scipy {scipy.__version__}; seconds on one core")
    print(f"{'data':<14}{'isodyne':>10}{'numpy':>10}{'ratio':>8}")
    for kind in data:
        mine, other = statistics.median(ours[kind]), statistics.median(theirs[kind])
        print(f"{kind:<14}{mine:>10.3f}{other:>10.3f}{mine / other:>8.2f}")


main()
