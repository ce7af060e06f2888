#!/usr/bin/env python3
"""What does Isodyne itself cost? `runc run` from create to gone, as Isodyne measures it and as hyperfine measures the
same command with the same bundle and the same bytes on its standard input, in turns.

    scripts/harness_tax.py [ROUNDS] [RUNS A ROUND]

Needs runc, hyperfine and root. Prints medians and their ratio; the promise is a ratio of at most 1.05."""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 20
runs = int(sys.argv[2]) if len(sys.argv) > 2 else 10
target = os.environ.get("CARGO_TARGET_DIR", "target")
isodyne = os.path.abspath(f"{target}/release/isodyne")

subprocess.run(["cargo", "build", "--release", "--quiet", "--locked", "--bin", "isodyne"], check=True)
with tempfile.TemporaryDirectory(prefix="harness-tax.") as place:
    control = f"{place}/control"
    example = ["cargo", "run", "--release", "--quiet", "--locked", "-p", "isodyne-engine", "--example", "runc_control"]
    subprocess.run([*example, "--", control], check=True)
    command = open(f"{control}/command").read().split("\n")

    def by_isodyne(index):
        out = f"{place}/run-{index}"
        subprocess.run(
            [isodyne, "run", "boot", "--on", "runc", "-n", str(runs), "--set", "warmup=1", "--out", out, "--no-report"],
            check=True, capture_output=True,
        )
        samples = [json.loads(line) for line in open(f"{out}/samples.jsonl")]
        return [s["metrics"]["lifecycle_ns"] / 1e6 for s in samples if not s["warmup"] and "failure" not in s]

    def by_hyperfine(index):
        out = f"{place}/hyperfine-{index}.json"
        subprocess.run(
            # The shell is there for the redirection only; hyperfine measures what it costs and takes it off.
            ["hyperfine", "--shell", "sh", "--warmup", "1", "--runs", str(runs), "--export-json", out,
             f"exec {' '.join(command)} < {control}/frames"],
            check=True, capture_output=True,
        )
        return [t * 1e3 for t in json.load(open(out))["results"][0]["times"]]

    times = {by_isodyne: [], by_hyperfine: []}
    ratios = []
    for index in range(rounds):
        order = [by_isodyne, by_hyperfine]
        random.shuffle(order)
        taken = {measure: measure(index) for measure in order}
        for measure, values in taken.items():
            times[measure] += values
        ratios.append(statistics.median(taken[by_isodyne]) / statistics.median(taken[by_hyperfine]))

lab, other = (statistics.median(times[m]) for m in (by_isodyne, by_hyperfine))
ratios.sort()
print(f"isodyne    n {len(times[by_isodyne])}  median {lab:.2f} ms")
print(f"hyperfine  n {len(times[by_hyperfine])}  median {other:.2f} ms")
print(f"ratio of medians {lab / other:.3f}; of the {rounds} rounds: median {statistics.median(ratios):.3f}, "
      f"quartiles {ratios[rounds // 4]:.3f} to {ratios[3 * rounds // 4]:.3f}")
