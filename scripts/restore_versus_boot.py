#!/usr/bin/env python3
"""A guest under QEMU from before the fork to its first command's output: booted, brought back in full, and brought back from
a template, in turns and in random order.

    scripts/restore_versus_boot.py [ROUNDS] [KEY=VALUE of backend.qemu…]

Needs qemu-system-x86_64 and, once, `isodyne setup`. The machine is booted once more at the beginning and kept twice."""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 10
keys = [word for key in sys.argv[2:] for word in ("--set", key)]
isodyne = os.environ.get("ISODYNE") or os.path.abspath(
    os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/isodyne"))


def run(*words):
    return subprocess.run([isodyne, *words], check=True, capture_output=True, text=True)


def owned(*words, work=lambda name: None):
    """Starts an owner, does something with its sandbox, ends it; gives the time to the first command's output."""
    owner = subprocess.Popen([isodyne, *words, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    line = owner.stdout.readline()
    if not line:
        sys.exit(owner.stderr.read())
    said = json.loads(line)
    work(said["name"])
    if owner.poll() is None:
        subprocess.run([isodyne, "sandbox", "stop", said["name"]], capture_output=True)
    error = owner.communicate()[1]
    if owner.returncode != 0:
        sys.exit(error)
    return said["first_exec_ns"] / 1e9


with tempfile.TemporaryDirectory(dir="/dev/shm") as place:
    os.environ["ISODYNE_RUNTIME"] = f"{place}/run"
    start = ["sandbox", "start", "--on", "qemu", *keys]

    def keep(name):
        run("checkpoint", name, "-o", place, "--name", f"of-{name}", "--leave-running")

    owned(*start, "--name", "full", work=keep)
    owned(*start, "--name", "template", "--set", "memory_file=true", work=keep)
    ways = {
        "cold boot": lambda: owned(*start, "--name", "cold"),
        "restored in full": lambda: owned("restore", "--from", f"{place}/of-full"),
        "restored from a template": lambda: owned("restore", "--from", f"{place}/of-template"),
    }
    seen = {way: [] for way in ways}
    for _ in range(rounds):
        for way in random.sample(list(ways), len(ways)):
            seen[way].append(ways[way]())
    cold = statistics.median(seen["cold boot"])
    for way, times in seen.items():
        median = statistics.median(times)
        print(f"{way:26} n {len(times):3}  median {median:7.3f} s  least {min(times):7.3f} s  "
              f"most {max(times):7.3f} s  cold boot is {cold / median:6.1f} x that")
