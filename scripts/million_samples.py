#!/usr/bin/env python3
"""Shows a run of a million samples, and does the same in Python with numpy, in turns on the same file.

    scripts/million_samples.py ISODYNE [SAMPLES] [CELLS] [TURNS] [DIRECTORY]

ISODYNE is the program. Its own short run on the `process` backend (`isodyne run boot --on process -n 5`) is the
pattern: each line of the big run is a line of that one with other numbers, from a fixed seed. Needs numpy and scipy;
prints user+system time, elapsed time and the largest resident set of each, as medians over the turns, and the ratios.
"""

import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

BASELINE = """
import json, sys
import numpy as np
from scipy.stats import binom
cells = {}
with open(sys.argv[1], 'rb') as file:
    for line in file:
        sample = json.loads(line)
        if sample['warmup'] or 'failure' in sample:
            continue
        metrics = cells.setdefault(sample['cell'], {})
        for name, value in sample['metrics'].items():
            metrics.setdefault(name, []).append(value)
out = {}
for cell, metrics in cells.items():
    out[cell] = {}
    for name, values in metrics.items():
        values = np.sort(np.array(values))
        n = len(values)
        low, high = int(binom.ppf(0.025, n, 0.5)), int(binom.ppf(0.975, n, 0.5))
        p50, p90, p95, p99 = np.quantile(values, [0.5, 0.9, 0.95, 0.99])
        out[cell][name] = {
            'n': n, 'min': values[0], 'p50': p50, 'p90': p90, 'p95': p95, 'p99': p99, 'max': values[-1],
            'mean': values.mean(), 'stddev': values.std(ddof=1), 'ci95': [values[low - 1], values[high]],
            'stalls': int((values > 10 * p50).sum()),
        }
json.dump(out, sys.stdout)
"""


def pattern(isodyne, place):
    """The record and the lines of a short real run."""
    run = os.path.join(place, "pattern")
    subprocess.run([isodyne, "run", "boot", "--on", "process", "-n", "5", "--seed", "7", "--no-report", "--out", run],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with open(os.path.join(run, "run.json")) as file:
        record = json.load(file)
    with open(os.path.join(run, "samples.jsonl")) as file:
        lines = [json.loads(line) for line in file]
    return record, [line for line in lines if not line["warmup"] and "failure" not in line]


def make(record, lines, samples, cells, run):
    """Writes a run of that many samples over that many cells, in rounds."""
    os.makedirs(run)
    chance = random.Random(20261122)
    cell = record["cells"][0]
    ids = [cell["id"] if cells == 1 else f"{cell['id']}~{index:03}" for index in range(cells)]
    record["cells"] = [dict(cell, id=id, variant=id.split("~")[1] if "~" in id else None) for id in ids]
    record["plan"]["samples"] = samples // cells
    with open(os.path.join(run, "run.json"), "w") as file:
        json.dump(record, file)
    with open(os.path.join(run, "samples.jsonl"), "w", buffering=1 << 20) as file:
        for sequence in range(samples):
            sample = lines[sequence % len(lines)]
            factor = chance.lognormvariate(0.0, 0.05) * (1 + 0.1 * (sequence % cells) / cells)
            sample = dict(sample, cell=ids[sequence % cells], sequence=sequence, round=sequence // cells,
                          started_ns=sequence * 10_000_000)
            sample["ledger"] = {"milestones": [
                {key: int(value * factor) if key.endswith("_ns") else value for key, value in milestone.items()}
                for milestone in sample["ledger"]["milestones"]
            ]}
            sample["metrics"] = {key: float(round(value * factor)) for key, value in sample["metrics"].items()}
            file.write(json.dumps(sample, separators=(",", ":")) + "\n")


def measure(command):
    """User and system time, elapsed time and largest resident set of a command, in seconds and bytes."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, time.monotonic() - begun, usage.ru_maxrss * 1024


def main():
    isodyne = os.path.abspath(sys.argv[1])
    samples = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    cells = int(sys.argv[3]) if len(sys.argv) > 3 else 2
    turns = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    parent = sys.argv[5] if len(sys.argv) > 5 else None
    place = tempfile.mkdtemp(prefix="million-", dir=parent)
    try:
        record, lines = pattern(isodyne, place)
        run = os.path.join(place, "run")
        make(record, lines, samples, cells, run)
        file = os.path.join(run, "samples.jsonl")
        commands = {
            "show --json": [isodyne, "show", run, "--json"],
            "show": [isodyne, "show", run],
            "python": [sys.executable, "-c", BASELINE, file],
        }
        helped = subprocess.run([isodyne, "compare", "--help"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if helped.returncode == 0:
            commands["compare"] = [isodyne, "compare", run, run]
        if os.environ.get("REPORT"):
            commands["report"] = [isodyne, "report", run]
        print(f"{samples} samples, {cells} cells, {os.path.getsize(file) / 1e6:.0f} MB, {os.cpu_count()} processors")
        found = {name: [] for name in commands}
        for _ in range(turns):
            for name, command in commands.items():
                found[name].append(measure(command))
        middle = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in found.items()}
        for name, (busy, elapsed, size) in middle.items():
            print(f"{name:12} user+sys {busy:6.2f} s   elapsed {elapsed:6.2f} s   {size / 2**20:6.0f} MiB   "
                  f"busy ratio {busy / middle['python'][0]:.3f}   elapsed ratio {elapsed / middle['python'][1]:.3f}")
        if "report" in commands:
            print(f"report.html {os.path.getsize(os.path.join(run, 'report.html')) / 1e6:.2f} MB")
    finally:
        shutil.rmtree(place, ignore_errors=True)


main()
