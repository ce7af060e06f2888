#!/usr/bin/env python3
"""Holds `isodyne shm peer` against the same thing in a page of C, interleaved in one run.

The C program passes one word back and forth between two pinned processes and copies frames with memcpy; it checks
nothing. Needs a C compiler (cc) and two processors.

Each round also has a quick calibration, whose copy of a frame of the same size is the best of the C library's memcpy, the
processor's string instruction and stores past the caches, with the caches as frames through a ring leave them, and cold:
the copy into the shared memory is held against that.

    scripts/shm_versus_c.py [--isodyne PROGRAM] [--rounds N] [--trips N] [--cpus A,B] [--json]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

FRAME = 3840 * 2160 * 3
FRAMES = 15

C_FLOOR = r"""
#define _GNU_SOURCE
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}
static void pin(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) exit(2);
}
static int order(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}
static uint64_t at(uint64_t *sorted, size_t n, double q) { return sorted[(size_t)(q * (n - 1))]; }

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    int one = atoi(argv[1]), two = atoi(argv[2]);
    size_t trips = atol(argv[3]), warmup = trips / 10 < 10000 ? trips / 10 : 10000, bytes = atol(argv[4]);
    int copies = atoi(argv[5]);
    char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    _Atomic uint64_t *ask = (void *)(page + 512), *answer = (void *)(page + 640),
                     *end = (void *)(page + 768);
    pid_t child = fork();
    if (!child) {
        pin(two);
        for (uint64_t i = 1; i <= trips + warmup; i++) {
            while (atomic_load_explicit(ask, memory_order_acquire) != i) {}
            atomic_store_explicit(answer, i, memory_order_release);
        }
        // It waits for the frames that do not come, as the other side does while one is copied in.
        while (!atomic_load_explicit(end, memory_order_acquire)) {}
        _exit(0);
    }
    pin(one);
    uint64_t *times = malloc(trips * sizeof *times);
    memset(times, 1, trips * sizeof *times);
    for (uint64_t i = 1; i <= trips + warmup; i++) {
        uint64_t begin = now();
        atomic_store_explicit(ask, i, memory_order_release);
        while (atomic_load_explicit(answer, memory_order_acquire) != i) {}
        uint64_t end = now();
        if (i > warmup) times[i - warmup - 1] = end - begin;
    }
    qsort(times, trips, sizeof *times, order);
    char *from = malloc(bytes), *to = malloc(bytes);
    volatile uint64_t sum = 0;
    memset(from, 3, bytes);
    memset(to, 4, bytes);
    uint64_t *took = malloc((copies + 1) * sizeof *took);
    for (int i = 0; i <= copies; i++) {
        // Who sends a frame has read it right before.
        from[i] = i;
        uint64_t read = 0;
        for (size_t at = 0; at + 8 <= bytes; at += 8) read = read * 31 + *(uint64_t *)(from + at);
        sum = read;
        uint64_t begin = now();
        memcpy(to, from, bytes);
        took[i] = now() - begin;
        __asm__ volatile("" ::"r"(to) : "memory");
    }
    atomic_store(end, 1);
    waitpid(child, 0, 0);
    qsort(took + 1, copies, sizeof *took, order);
    printf("%lu %lu %lu %lu %lu\n", at(times, trips, 0.5), at(times, trips, 0.99), at(times, trips, 0.999),
           times[trips - 1], at(took + 1, copies, 0.5));
}
"""


def c_floor(program, cpus, trips):
    words = [program, str(cpus[0]), str(cpus[1]), str(trips), str(FRAME), str(FRAMES)]
    done = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120)
    p50, p99, p999, longest, copy = map(int, done.stdout.split())
    return {"p50": p50, "p99": p99, "p999": p999, "max": longest, "copy": FRAME * 1e9 / copy}


def calibrated(program, directory):
    environment = dict(os.environ, XDG_CACHE_HOME=directory, ISODYNE_CACHE=directory)
    done = subprocess.run(
        [program, "calibrate", "--quick", "--json"], check=True, capture_output=True, text=True, timeout=300, env=environment
    )
    limits = {limit["name"]: limit for limit in json.loads(done.stdout)["limits"]}
    names = {"hot": "memcpy_4k_ring_bytes_per_s", "cold": "memcpy_4k_frame_cold_bytes_per_s"}
    return {f"{key}_{of}": limits[name][of] for key, name in names.items() for of in ("typical", "best")}


def isodyne(program, cpus, trips, directory, cache):
    words = [program, "shm", "peer", "--file", os.path.join(directory, "region"), "--json", "--cache", cache]
    words += ["--round-trips", str(trips), "--frame", f"{FRAME}B", "--frames", str(FRAMES), "--stream", str(FRAMES), "--slots", "2"]
    answering = subprocess.Popen(
        [*words, "answer", "--cpu", str(cpus[1])], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        asking = [*words, "ask", "--cpu", str(cpus[0])]
        done = subprocess.run(asking, check=False, capture_output=True, text=True, timeout=120)
        _, complaint = answering.communicate(timeout=10)
    finally:
        answering.kill()
    if done.returncode or answering.returncode:
        sys.exit(f"isodyne failed: {done.stderr}{complaint}")
    metrics = {name: metric["value"] for name, metric in json.loads(done.stdout)["metrics"].items()}
    names = {"p50": "p50", "p99": "p99", "p999": "p999", "max": "max"}
    found = {key: metrics[f"round_trip_{name}_ns"] for key, name in names.items()}
    found |= {"copy": metrics["copy_in_bytes_per_s"], "frame": metrics["frame_bytes_per_s"]}
    found |= {"copy_out": metrics["copy_out_bytes_per_s"], "check": metrics["check_bytes_per_s"]}
    found |= {"stream": metrics["stream_bytes_per_s"], "stalls": metrics["round_trip_stalls_over_1ms_count"]}
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--isodyne", default="isodyne", metavar="PROGRAM")
    parser.add_argument("--rounds", type=int, default=11, metavar="N")
    parser.add_argument("--trips", type=int, default=200_000, metavar="N")
    parser.add_argument("--cpus", default="0,1", metavar="A,B")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cpus = [int(cpu) for cpu in options.cpus.split(",")]
    floor, ours, cold, ceilings = [], [], [], []
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        source, program = os.path.join(directory, "floor.c"), os.path.join(directory, "floor")
        with open(source, "w", encoding="utf-8") as file:
            file.write(C_FLOOR)
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-o", program, source], check=True)
        for number in range(options.rounds):
            steps = [lambda: floor.append(c_floor(program, cpus, options.trips))]
            steps.append(lambda: ours.append(isodyne(options.isodyne, cpus, options.trips, directory, "hot")))
            steps.append(lambda: ceilings.append(calibrated(options.isodyne, directory)))
            steps.append(lambda: cold.append(isodyne(options.isodyne, cpus, 10_000, directory, "cold")))
            # Neither is always the first.
            for step in steps if number % 2 == 0 else reversed(steps):
                step()

    def median(values, key):
        return statistics.median(value[key] for value in values)

    trips = [pair[1]["p50"] / pair[0]["p50"] for pair in zip(floor, ours)]
    copies = [pair[1]["copy"] / pair[0]["copy"] for pair in zip(floor, ours)]
    of_ceiling = [pair[1]["copy"] / pair[0]["hot_typical"] for pair in zip(ceilings, ours)]
    of_ceiling_cold = [pair[1]["copy"] / pair[0]["cold_typical"] for pair in zip(ceilings, cold)]
    found = {
        "rounds": options.rounds,
        "c": {key: median(floor, key) for key in floor[0]},
        "isodyne": {key: median(ours, key) for key in ours[0]},
        "median_round_trip_ratio": statistics.median(trips),
        "copy_in_ratio": statistics.median(copies),
        "calibrated": {key: median(ceilings, key) for key in ceilings[0]},
        "cold": {key: median(cold, key) for key in ("copy", "frame", "copy_out", "check", "stream")},
        "copy_in_to_calibrated_ratio": statistics.median(of_ceiling),
        "copy_in_to_calibrated_cold_ratio": statistics.median(of_ceiling_cold),
    }
    if options.json:
        print(json.dumps(found, indent=2))
        return
    c, own = found["c"], found["isodyne"]
    print(f"medians over {options.rounds} interleaved rounds of {options.trips} round trips")
    for key in ["p50", "p99", "p999", "max"]:
        print(f"  {key:5} C {c[key]:12.0f} ns   isodyne {own[key]:12.0f} ns")
    print(f"  median round trip, isodyne to C, paired: {found['median_round_trip_ratio']:.3f}")
    print(f"  memcpy of a 4K frame: C {c['copy'] / 1e9:.2f} GB/s, isodyne's copy in {own['copy'] / 1e9:.2f} GB/s")
    print(f"  copy in, isodyne to C, paired: {found['copy_in_ratio']:.3f}")
    for words, ratio, rates, ceiling in [
        ("hot", "copy_in_to_calibrated_ratio", own, "hot_typical"),
        ("cold", "copy_in_to_calibrated_cold_ratio", found["cold"], "cold_typical"),
    ]:
        rate, limit = rates["copy"] / 1e9, found["calibrated"][ceiling] / 1e9
        print(f"  {words}: copy in {rate:.2f} GB/s, calibrated {limit:.2f} GB/s; to it, paired: {found[ratio]:.3f}")
        print(f"    copy out {rates['copy_out'] / 1e9:.2f} GB/s, check {rates['check'] / 1e9:.2f} GB/s")
        print(f"    frame proved, end to end: {rates['frame'] / 1e9:.2f} GB/s; as a stream {rates['stream'] / 1e9:.2f} GB/s")
    print(f"  stalls over 1 ms in a run: {own['stalls']:.0f}")


if __name__ == "__main__":
    main()
