#!/usr/bin/env python3
"""Boot to the first command's output of one kernel under QEMU's TCG, by Isodyne and by virtme-ng, in turns.

    scripts/boot_versus_virtme.py KERNEL [ROUNDS] [MORE ARGUMENTS FOR ISODYNE…]

KERNEL is a bzImage with 8250 and 9p (the distribution's generic kernel), whose modules lie in /lib/modules. Needs
qemu-system-x86_64 and virtme-ng (`pip install virtme-ng`) on PATH. Both boot with 512 MiB and one processor. virtme-ng's
time runs from before its fork to the first byte of the command's output; it mounts the host's root inside, which
Isodyne's guest does not. On a host without udev virtme-ng needs its console for the command's output: VNG="vng -v"."""

import json
import os
import pty
import random
import select
import statistics
import subprocess
import sys
import tempfile
import time

kernel = os.path.abspath(sys.argv[1])
rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
more = sys.argv[3:]
isodyne = os.path.abspath(os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/isodyne"))


def by_isodyne(place, index):
    out = f"{place}/run-{index}"
    command = [isodyne, "run", "boot", "--on", "qemu", "-n", "1", "--set", "warmup=0", "--no-report", "--out", out,
               "--set", f"backend.qemu.kernel={kernel}", "--set", "backend.qemu.accel=tcg",
               "--set", "backend.qemu.memory=512MiB", *more]
    subprocess.run(command, check=True, capture_output=True)
    (sample,) = [json.loads(line) for line in open(f"{out}/samples.jsonl")]
    return sample["metrics"]["total_ns"] / 1e9


def by_virtme(place, index):
    nonce = f"{random.getrandbits(64):016x}"
    # virtme-ng wants a terminal. The nonce is computed inside, so that an echo of the command line cannot match.
    command = [*os.environ.get("VNG", "vng").split(), "-r", kernel, "--disable-kvm", "--memory", "512M", "--cpus", "1", "--",
               f"echo {nonce[:8]}''{nonce[8:]}"]
    begun = time.monotonic()
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    seen, first = b"", None
    while time.monotonic() - begun < 120:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:
            break
        seen += data
        if first is None and nonce.encode() in seen:
            first = time.monotonic() - begun
    os.close(terminal)
    os.waitpid(child, 0)
    if first is None:
        sys.exit(f"virtme-ng never gave the nonce back:\n{seen[-2000:].decode(errors='replace')}")
    return first


times = {by_isodyne: [], by_virtme: []}
with tempfile.TemporaryDirectory(prefix="versus.") as place:
    for index in range(rounds):
        for measure in random.sample(list(times), 2):
            times[measure].append(measure(place, index))
for measure, values in times.items():
    values.sort()
    print(f"{measure.__name__:12} n {len(values)}  median {statistics.median(values):.2f} s  "
          f"({values[0]:.2f} to {values[-1]:.2f})")
print(f"ratio of medians {statistics.median(times[by_isodyne]) / statistics.median(times[by_virtme]):.2f}")
