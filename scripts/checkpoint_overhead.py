#!/usr/bin/env python3
"""What `isodyne checkpoint` takes on top of CRIU, for one runc container, from exec to exit as the kernel stamps them.

    sudo scripts/checkpoint_overhead.py [TIMES] [MB OF MEMORY] [DIRECTORY]

The container holds so much memory of pseudo-random bytes and runs on after every checkpoint. The kernel's trace events of exec
and exit say when the command began and ended, and how long each of CRIU's processes lived (runc starts CRIU twice: for its
version, and for the dump). CRIU's log says how long the dump itself took, by CRIU's own clock. Needs runc, criu, python3 and
tracefs; CARGO_TARGET_DIR names the build."""

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

TRACING = "/sys/kernel/tracing/"
EVENTS = "events/sched/sched_process_exec/enable", "events/sched/sched_process_exit/enable"
LINE = re.compile(r"\s*.+-(\d+)\s+\[\d+\]\s+\S+\s+([\d.]+): (\w+): (.*)")
name = f"isodyne-overhead-{os.getpid()}"
isodyne = os.path.abspath(os.path.join(os.environ.get("CARGO_TARGET_DIR", "target"), "release/isodyne"))


def tell(file, text):
    with open(TRACING + file, "w") as control:
        control.write(text)


def start(bundle, megabytes):
    """A container of runc's on this host's own programs; its streams are pipes, since CRIU keeps no file of the host's."""
    subprocess.run(["runc", "spec"], cwd=bundle, check=True)
    path = os.path.join(bundle, "config.json")
    with open(path) as file:
        config = json.load(file)
    program = (f"import random,time\nm=random.Random(7).randbytes({megabytes * 1_000_000})\nprint('ready',flush=True)\n"
               "while True: time.sleep(0.05)")
    config["process"].update(terminal=False, args=["/usr/bin/python3", "-c", program])
    config["root"] = {"path": "rootfs", "readonly": True}
    config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != "/sys/fs/cgroup"]
    for place in "usr", "lib", "lib64", "bin", "etc":
        mount = {"destination": "/" + place, "source": "/" + place, "type": "bind", "options": ["rbind", "ro"]}
        config["mounts"].append(mount)
    for place in "usr", "lib", "lib64", "bin", "etc", "proc", "dev", "sys":
        os.makedirs(os.path.join(bundle, "rootfs", place))
    with open(path, "w") as file:
        json.dump(config, file)
    running = subprocess.Popen(["runc", "run", name], cwd=bundle, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    running.stdout.readline()
    return running


def once(directory):
    """Milliseconds: the command, CRIU's log, the lives of CRIU's processes."""
    tell("trace", "")
    tell("tracing_on", "1")
    command = [isodyne, "checkpoint", name, "-o", directory, "--name", "one", "--leave-running", "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    tell("tracing_on", "0")
    if done.returncode != 0:
        sys.exit(done.stderr)
    shutil.rmtree(os.path.join(directory, "one"))
    with open(TRACING + "trace") as file:
        seen = [match.groups() for match in map(LINE.match, file) if match]
    ended = {pid: float(at) * 1e3 for pid, at, event, _ in seen if event == "sched_process_exit"}
    begun = [(pid, float(at) * 1e3, what) for pid, at, event, what in seen if event == "sched_process_exec"]
    life = lambda program: [ended[pid] - at for pid, at, what in begun if re.search(rf"filename=\S*/{program} ", what)]
    return life("isodyne")[0], json.loads(done.stdout)["engine"]["criu_total_ns"] / 1e6, sum(life("criu"))


def main():
    times, megabytes = (int(word) for word in (sys.argv[1:3] + ["25", "100"][len(sys.argv[1:3]):]))
    directory = tempfile.mkdtemp(dir=sys.argv[3] if len(sys.argv) > 3 else "/dev/shm")
    bundle = tempfile.mkdtemp()
    for event in EVENTS:
        tell(event, "1")
    running = start(bundle, megabytes)
    try:
        time.sleep(1)
        taken = [once(directory) for _ in range(times)]
    finally:
        for event in EVENTS:
            tell(event, "0")
        subprocess.run(["runc", "delete", "-f", name])
        running.wait()
        shutil.rmtree(bundle)
        shutil.rmtree(directory)
    median = lambda of: statistics.median(of(*one) for one in taken)
    print(f"{megabytes} MB, n = {times}, medians")
    print(f"  isodyne checkpoint, exec to exit   {median(lambda all, log, lives: all):7.1f} ms")
    print(f"  CRIU's log                         {median(lambda all, log, lives: log):7.1f} ms")
    print(f"  CRIU's processes, exec to exit     {median(lambda all, log, lives: lives):7.1f} ms")
    for what, part in ("CRIU's log", lambda all, log, lives: log), ("CRIU's processes", lambda all, log, lives: lives):
        extra = median(lambda *one: one[0] - part(*one))
        ratio = median(lambda *one: (one[0] - part(*one)) / part(*one))
        print(f"  on top of {what:<24} {extra:7.1f} ms, {ratio:.1%}")


main()
