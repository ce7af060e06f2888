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

example = ["cargo", "run", "--release", "--quiet", "--locked", "-p", "isodyne-engine", "--example"]
subprocess.run(["cargo", "build", "--release", "--quiet", "--locked", "--bin", "isodyne"], check=True)


def hyperfine(out, command):
    """Times in milliseconds. Without a shell of its own, so that nothing is subtracted."""
    subprocess.run(
        ["hyperfine", "-N", "--warmup", "1", "--runs", str(runs), "--export-json", out, command],
        check=True, capture_output=True,
    )
    return [t * 1e3 for t in json.load(open(out))["results"][0]["times"]]


with tempfile.TemporaryDirectory(prefix="harness-tax.") as place:
    control = f"{place}/control"
    subprocess.run([*example, "runc_control", "--", control], check=True)
    # hyperfine gives a command no standard input, so a script of one line does; its shell costs what SHELL shows.
    script = f"{place}/control.sh"
    with open(script, "w") as file:
        file.write(f"#!/bin/sh\nexec {' '.join(open(f'{control}/command').read().split())} < {control}/frames\n")
    os.chmod(script, 0o755)

    def by_isodyne(index):
        out = f"{place}/run-{index}"
        subprocess.run(
            [isodyne, "run", "boot", "--on", "runc", "-n", str(runs), "--set", "warmup=1", "--out", out, "--no-report"],
            check=True, capture_output=True,
        )
        samples = [json.loads(line) for line in open(f"{out}/samples.jsonl")]
        return [s["metrics"]["lifecycle_ns"] / 1e6 for s in samples if not s["warmup"] and "failure" not in s]

    def by_hyperfine(index):
        return hyperfine(f"{place}/hyperfine-{index}.json", script)

    def by_shell(index):
        return hyperfine(f"{place}/shell-{index}.json", "/bin/sh -c :")

    times = {by_isodyne: [], by_hyperfine: [], by_shell: []}
    for index in range(rounds):
        for measure in random.sample(list(times), len(times)):
            times[measure] += measure(index)
    pairs = subprocess.run([*example, "harness_tax", "--", control, str(rounds * runs)],
                           check=True, capture_output=True, text=True).stdout.split()

lab, other, shell = (statistics.median(times[m]) for m in (by_isodyne, by_hyperfine, by_shell))
print(f"isodyne run       n {len(times[by_isodyne])}  median {lab:.2f} ms")
print(f"hyperfine -N      n {len(times[by_hyperfine])}  median {other:.2f} ms, of which at most {shell:.2f} ms are its shell's")
print(f"ratio             {lab / other:.3f}; with all of the shell's time taken off {lab / (other - shell):.3f}")
within = [float(text) for text in pairs[0::2]], [float(text) for text in pairs[1::2]]
print(f"in one process    n {len(within[0])} pairs, medians {statistics.median(within[0]):.2f} ms by the lab, "
      f"{statistics.median(within[1]):.2f} ms plain: ratio {statistics.median(within[0]) / statistics.median(within[1]):.3f}")
