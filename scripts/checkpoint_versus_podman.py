#!/usr/bin/env python3
"""What `isodyne checkpoint` and `podman container checkpoint --export` add to CRIU's own time, on one container, in turns.

    sudo scripts/checkpoint_versus_podman.py [ROUNDS] [MB OF MEMORY] [DIRECTORY]...

The container is podman's own, with a program that holds so much memory of pseudo-random bytes; it runs
on after every checkpoint. Both write into each DIRECTORY (default: /dev/shm and the current one). CRIU's own time is what
its statistics say: freezing and frozen. Overhead is the time of the whole command minus that. Rounds are interleaved, in
random order. Isodyne makes its checkpoint durable and digests it; podman does neither, so Isodyne's is also given as the
time until its files were written, before it begins to sync. Needs podman, runc, criu and python3 (which is
mounted into the container); CARGO_TARGET_DIR names the build. podman's further options come from PODMAN_OPTIONS."""

import json
import os
import random
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
megabytes = int(sys.argv[2]) if len(sys.argv) > 2 else 100
directories = sys.argv[3:] or ["/dev/shm", "."]
isodyne = os.path.abspath(os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/isodyne"))
name = f"isodyne-compare-{os.getpid()}"
program = ("import random,time; m=random.Random(7).randbytes(%d); print('ready', flush=True)\n"
           "while True: time.sleep(0.05)") % (megabytes * 1_000_000)


def podman_command(place):
    part = lambda what: os.path.join(place, what)
    with open(part("containers.conf"), "w") as file:
        file.write('[engine]\nlock_type = "file"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n')
    return ["env", f"CONTAINERS_CONF={part('containers.conf')}", "podman", "--root", part("root"), "--runroot", part("run"),
            "--tmpdir", part("tmp"), "--runtime", "runc", "--cgroup-manager", "cgroupfs", "--events-backend", "none",
            *shlex.split(os.environ.get("PODMAN_OPTIONS", ""))]


def timed(command):
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    took = time.monotonic() - begun
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}: {done.stderr}")
    return took * 1e3, json.loads(done.stdout)


def by_isodyne(podman, directory):
    took, said = timed([isodyne, "checkpoint", name, "--runtime", "podman", "--podman", " ".join(podman), "-o", directory,
                        "--name", "one", "--leave-running", "--json"])
    shutil.rmtree(said["path"])
    engine = said["engine"]
    criu = (engine["criu_freezing_ns"] + engine["criu_frozen_ns"]) / 1e6
    sealing = sum(phase["ns"] for phase in said["timing"] if phase["phase"] == "digest and sync") / 1e6
    return {"total": took, "CRIU": criu, "overhead": took - criu, "runtime": engine["runtime_ns"] / 1e6,
            "CRIU's log": engine["criu_total_ns"] / 1e6, "until written": took - criu - sealing,
            "bytes": said["bytes"]}


def by_podman(podman, directory):
    archive = os.path.join(directory, "one.tar")
    took, said = timed([*podman, "container", "checkpoint", "--leave-running", "--export", archive, "--compress", "none",
                        "--print-stats", name])
    size = os.path.getsize(archive)
    os.remove(archive)
    (container,) = said["container_statistics"]
    criu = (container["criu_statistics"]["freezing_time"] + container["criu_statistics"]["frozen_time"]) / 1e3
    return {"total": took, "CRIU": criu, "overhead": took - criu, "runtime": container["runtime_checkpoint_duration"] / 1e3,
            "bytes": size}


def median_interval(values):
    """Order statistics around the median that hold it in 95 % of cases (binomial)."""
    ordered, n = sorted(values), len(values)
    cumulated, low = 0.0, 0
    from math import comb
    for k in range(n // 2):
        cumulated += comb(n, k) / 2**n
        if cumulated > 0.025:
            break
        low = k
    return ordered[low], ordered[n - 1 - low]


def main():
    place = tempfile.mkdtemp(prefix="isodyne-compare-")
    podman = podman_command(place)
    try:
        root = os.path.join(place, "image")
        os.makedirs(root)
        for directory in ["usr", "proc", "dev", "sys", "tmp", "etc", "run"]:
            os.makedirs(os.path.join(root, directory))
        for link in ["bin", "sbin", "lib", "lib64"]:
            os.symlink(f"usr/{link}", os.path.join(root, link))
        archive = os.path.join(place, "image.tar")
        subprocess.run(["tar", "-C", root, "-cf", archive, "."], check=True)
        subprocess.run([*podman, "import", archive, "localhost/compare:1"], check=True, capture_output=True)
        subprocess.run([*podman, "run", "--detach", "--name", name, "--network", "none", "--ulimit", "nofile=1024:1024",
                        "--ulimit", "nproc=1024:1024", "--volume", "/usr:/usr:ro", "localhost/compare:1",
                        "/usr/bin/python3", "-c", program], check=True, capture_output=True)
        while "ready" not in subprocess.run([*podman, "logs", name], capture_output=True, text=True).stdout:
            time.sleep(0.2)
        ways = {"isodyne": by_isodyne, "podman": by_podman}
        for directory in directories:
            home = tempfile.mkdtemp(prefix="isodyne-compare-", dir=directory)
            seen = {way: [] for way in ways}
            try:
                for index in range(rounds + 1):
                    for way in random.sample(list(ways), 2):
                        os.sync()
                        result = ways[way](podman, home)
                        if index > 0:
                            seen[way].append(result)
            finally:
                shutil.rmtree(home)
            print(f"{megabytes} MB in {os.path.abspath(directory)}, n = {rounds} each, milliseconds, median [95 % interval]")
            for way, results in seen.items():
                for key in results[0]:
                    values = [result[key] for result in results]
                    if key == "bytes":
                        print(f"  {way:8} {'MB written':14} {statistics.median(values) / 1e6:8.1f}")
                        continue
                    low, high = median_interval(values)
                    print(f"  {way:8} {key:14} {statistics.median(values):8.1f} [{low:.1f}, {high:.1f}]")
    finally:
        subprocess.run([*podman, "rm", "--all", "--force", "--time", "0"], capture_output=True)
        subprocess.run([*podman, "rmi", "--all", "--force"], capture_output=True)
        for mount in reversed([line.split()[4] for line in open("/proc/self/mountinfo") if place in line]):
            subprocess.run(["umount", mount], capture_output=True)
        shutil.rmtree(place, ignore_errors=True)


main()
