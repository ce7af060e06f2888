#!/usr/bin/env python3
"""What the commands that read runs cost on a million samples, beside the same in Python with numpy, in turns.

    scripts/million_samples.py ISODYNE [SAMPLES] [CELLS[,CELLS…]] [TURNS] [DIRECTORY]

ISODYNE is the program. Its own short run on the `process` backend (`isodyne run boot --on process -n 5`) is the
pattern: each line of a big run is a line of that one with other numbers, from a fixed seed. Two such runs are made for
each number of cells (2 and 200), the second 1 % slower, about 1 GB each, in DIRECTORY (the temporary one). Needs numpy
and scipy. Prints the table of docs/performance.md: elapsed time, processor time and the largest resident set, medians
over the turns, and the ratio of processor times to the Python program that does a part of the same. `KEEP=1` leaves the runs there,
`ONLY=show,audit` runs some of the commands.
"""

import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

READ = """
import json, sys
import numpy as np
def read(path):
    cells = {}
    with open(path, 'rb') as file:
        for line in file:
            sample = json.loads(line)
            if sample['warmup'] or 'failure' in sample:
                continue
            metrics = cells.setdefault(sample['cell'], {})
            for name, value in sample['metrics'].items():
                metrics.setdefault(name, []).append(value)
    return cells
out = {}
"""
SUMMARY = READ + """
from scipy.stats import binom
for cell, metrics in read(sys.argv[1]).items():
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
# No shift with its interval: all differences of two cells of 500,000 samples are a quarter of a trillion.
COMPARISON = READ + """
from scipy.stats import mannwhitneyu
other = read(sys.argv[2])
for cell, metrics in read(sys.argv[1]).items():
    for name, values in metrics.items():
        one, two = np.array(values), np.array(other[cell][name])
        out[cell, name] = np.median(one), np.median(two), mannwhitneyu(one, two, method='asymptotic').pvalue
print(len(out))
"""
BUDGETS = """
[[budget]]
metric = "boot.total_ns"
p50    = "< 1 s"

[[budget]]
metric = "boot.total_ns"
p95    = "< 1 s"
"""
# The exit codes of a verdict are no errors here.
VERDICTS = (0, 5, 10, 11)


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


def make(record, lines, samples, cells, run, seed=20261122, slower=1.0):
    """Writes a run of that many samples over that many cells, in rounds."""
    os.makedirs(run)
    chance = random.Random(seed)
    cell = record["cells"][0]
    ids = [cell["id"].split("~")[0] + f"~{index:03}" if index else cell["id"].split("~")[0] for index in range(cells)]
    variants = [{"id": id, "variant": id.split("~")[1] if "~" in id else None} for id in ids]
    record = dict(record, cells=[dict(cell, **variant) for variant in variants],
                  plan=dict(record["plan"], samples=samples // cells))
    with open(os.path.join(run, "run.json"), "w") as file:
        json.dump(record, file)
    with open(os.path.join(run, "samples.jsonl"), "w", buffering=1 << 20) as file:
        for sequence in range(samples):
            sample = lines[sequence % len(lines)]
            level = slower * (1 + 0.1 * (sequence % cells) / cells)
            factor = chance.lognormvariate(0.0, 0.05) * level
            # What is no part of the total has a chance of its own.
            other = {key: chance.lognormvariate(0.0, 0.05) * level for key in sample["metrics"]}
            other["total_ns"] = other["lifecycle_ns"] = factor
            sample = dict(sample, cell=ids[sequence % cells], sequence=sequence, round=sequence // cells,
                          started_ns=sequence * 10_000_000)
            sample["ledger"] = {"milestones": [
                {key: int(value * factor) if key.endswith("_ns") else value for key, value in milestone.items()}
                for milestone in sample["ledger"]["milestones"]
            ]}
            sample["metrics"] = {key: float(round(value * other[key])) for key, value in sample["metrics"].items()}
            file.write(json.dumps(sample, separators=(",", ":")) + "\n")


def measure(command):
    """Elapsed time, user and system time and largest resident set of a command, in seconds and bytes."""
    begun = time.monotonic()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    elapsed = time.monotonic() - begun
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in VERDICTS:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return elapsed, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def commands(isodyne, place, run, other):
    """What is measured, by name, each with the Python program that it is held against."""
    budgets = os.path.join(place, "budgets.toml")
    with open(budgets, "w") as file:
        file.write(BUDGETS)
    samples = [os.path.join(side, "samples.jsonl") for side in (run, other)]
    report = os.path.join(place, "report.html")
    return {
        "python: summary": ([sys.executable, "-c", SUMMARY, samples[0]], None),
        "python: comparison": ([sys.executable, "-c", COMPARISON, *samples], None),
        "show": ([isodyne, "show", run], "python: summary"),
        "show --json": ([isodyne, "show", run, "--json"], "python: summary"),
        "audit": ([isodyne, "audit", run], None),
        "gate --budgets": ([isodyne, "gate", run, "--budgets", budgets], None),
        "compare, variants of one run": ([isodyne, "compare", run], None),
        "compare, two runs": ([isodyne, "compare", run, other], "python: comparison"),
        "gate --against, two runs": ([isodyne, "gate", other, "--against", run], None),
        "report": ([isodyne, "report", run, "-o", report], None),
    }


def main():
    isodyne = os.path.abspath(sys.argv[1])
    samples = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
    counts = [int(text) for text in sys.argv[3].split(",")] if len(sys.argv) > 3 else [2, 200]
    turns = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    parent = sys.argv[5] if len(sys.argv) > 5 else None
    only = [name for name in os.environ.get("ONLY", "").split(",") if name]
    place = tempfile.mkdtemp(prefix="million-", dir=parent)
    try:
        record, lines = pattern(isodyne, place)
        for cells in counts:
            run, other = (os.path.join(place, f"{name}-{cells}") for name in ("run", "other"))
            make(record, lines, samples, cells, run)
            make(record, lines, samples, cells, other, seed=7, slower=1.01)
            size = os.path.getsize(os.path.join(run, "samples.jsonl"))
            all_commands = commands(isodyne, place, run, other)
            chosen = [name for name in all_commands if not only or any(text in name for text in only)]
            found = {name: [] for name in chosen}
            for _ in range(turns):
                for name in chosen:
                    found[name].append(measure(all_commands[name][0]))
            middle = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in found.items()}
            print(f"\n{samples} samples a run, {cells} cells, {size / 1e6:.0f} MB, {os.cpu_count()} processors, "
                  f"medians of {turns}\n")
            print("| command | elapsed | processor time | largest resident set | of Python's processor time |")
            print("| --- | --- | --- | --- | --- |")
            for name, (elapsed, busy, resident) in middle.items():
                against = middle.get(all_commands[name][1])
                ratio = f"{busy / against[1]:.2f}" if against else ""
                shown = name if name.startswith("python") else f"`{name}`" if "," not in name else name
                print(f"| {shown} | {elapsed:.2f} s | {busy:.2f} s | {resident / 2**20:.0f} MiB | {ratio} |", flush=True)
            report = os.path.join(place, "report.html")
            if os.path.exists(report):
                print(f"\nreport.html: {os.path.getsize(report) / 1e6:.2f} MB")
            if not os.environ.get("KEEP"):
                shutil.rmtree(run)
                shutil.rmtree(other)
    finally:
        if os.environ.get("KEEP"):
            print(place)
        else:
            shutil.rmtree(place, ignore_errors=True)


main()
