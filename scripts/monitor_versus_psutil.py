#!/usr/bin/env python3
"""What does looking at 100 processes 100 times a second cost? `isodyne monitor` and a loop over psutil that reads the same
values, in turns, over the same processes.

    scripts/monitor_versus_psutil.py [ROUNDS] [SECONDS A ROUND] [PROCESSES]

Needs psutil (PyPI) and a release build. Two kinds of processes: `idle` ones sleep, `busy` ones all wake up 100 times a
second and work a little. Prints the share of one processor and the CPU time a look, medians, and their ratio. Of Isodyne
it is the whole program's CPU time by `wait4`, from fork to exit; of psutil the loop's alone, without the interpreter's start."""

import json
import os
import resource
import statistics
import subprocess
import sys
import time

RATE = 100
target = os.environ.get("CARGO_TARGET_DIR", "target")
isodyne = os.path.abspath(f"{target}/release/isodyne")

PARENT = """
import os, signal, sys, time
kind, count = sys.argv[1], int(sys.argv[2])
for _ in range(count):
    if os.fork() == 0:
        while kind == "busy":
            time.sleep(0.01)
            sum(range(200))
        signal.pause()
print("ready", flush=True)
sys.stdin.read()
os.killpg(0, signal.SIGKILL)
"""


def worker(pid, seconds):
    """The loop: every value that the monitor reads, of every process, PSS and USS once a second."""
    import psutil

    parent = psutil.Process(pid)
    looks = missed = 0
    begin = time.monotonic()
    members, listed, shares = [], -1.0, -1.0
    before = resource.getrusage(resource.RUSAGE_SELF)
    while (now := time.monotonic()) < begin + seconds:
        if now - listed >= 1:
            members, listed = [parent, *parent.children(recursive=True)], now
        with_shares = now - shares >= 1
        for process in members:
            try:
                with process.oneshot():
                    process.cpu_times(), process.memory_info(), process.io_counters(), process.num_threads()
                    if with_shares:
                        process.memory_full_info()
            except psutil.NoSuchProcess:
                pass
        if with_shares:
            shares = now
        for kind in "cpu", "memory", "io":
            open(f"/proc/pressure/{kind}").read()
        looks += 1
        due = begin + (looks + missed) / RATE
        while due < time.monotonic():
            missed += 1
            due += 1 / RATE
        time.sleep(max(0, due - time.monotonic()))
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"cpu": cpu, "wall": time.monotonic() - begin, "looks": looks, "missed": missed}))


def by_psutil(pid, seconds):
    done = subprocess.run([sys.executable, __file__, "--worker", str(pid), str(seconds)], check=True, capture_output=True)
    return json.loads(done.stdout)


def by_isodyne(pid, seconds):
    command = [isodyne, "monitor", "--pid", str(pid), "--rate", str(RATE), "--duration", f"{seconds}s", "--json"]
    begin = time.monotonic()
    started = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    told = json.loads(started.stdout.read())
    # What the kernel says of the whole program, from its fork to its exit, is the truth that its own words are held to.
    _, status, usage = os.wait4(started.pid, 0)
    wall, cpu = time.monotonic() - begin, usage.ru_utime + usage.ru_stime
    own = told["monitor"]
    assert status == 0 and told["subjects"][0]["metrics"]["peak_processes_count"]["value"] > 1
    assert own["cpu_ns"] <= cpu * 1.02e9 + 2e6, f"it says {own['cpu_ns']} ns, the kernel {cpu} s"
    parts = {"told": own["cpu_ratio"], "first": own["first_look_cpu_ns"] / 1e9, "look": own["look_cpu_ns"] / 1e9}
    return {"cpu": cpu, "wall": wall, "looks": own["looks"], "missed": own["missed"], **parts}


def main():
    rounds, seconds, count = (int(word) for word in (sys.argv[1:] + ["5", "10", "100"][len(sys.argv) - 1 :]))
    for kind in "idle", "busy":
        command = [sys.executable, "-c", PARENT, kind, str(count)]
        parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        parent.stdout.readline()
        time.sleep(1)
        taken = {"isodyne": [], "psutil": []}
        for _ in range(rounds):
            taken["isodyne"].append(by_isodyne(parent.pid, seconds))
            taken["psutil"].append(by_psutil(parent.pid, seconds))
        parent.stdin.close()
        parent.wait()
        a_look = {}
        for name, runs in taken.items():
            share = statistics.median(run["cpu"] / run["wall"] for run in runs)
            a_look[name] = statistics.median(run["cpu"] / run["looks"] for run in runs)
            missed = sum(run["missed"] for run in runs) / sum(run["looks"] + run["missed"] for run in runs)
            if name == "isodyne":
                told, first, look = (statistics.median(run[part] for run in runs) for part in ("told", "first", "look"))
                print(f"{kind} isodyne says {told:.2%}: first look {first * 1e3:.1f} ms, then {look * 1e6:.1f} µs a look")
            print(f"{kind} {name:8} {share:8.2%} of a processor  {a_look[name] * 1e6:8.1f} µs a look  {missed:.1%} missed")
        print(f"{kind} ratio, CPU time a look: psutil takes {a_look['psutil'] / a_look['isodyne']:.0f} times as much")
        print(f"{kind} load average of the host at the end: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        worker(int(sys.argv[2]), float(sys.argv[3]))
    else:
        main()
