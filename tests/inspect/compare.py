#!/usr/bin/env python3
"""What `isodyne inspect` says of CRIU's images, held against CRIU's own reader of them.

    PYTHONPATH=…/lib python3 tests/inspect/compare.py [--program isodyne] IMAGES|ARCHIVE…

IMAGES is a directory with an `inventory.img`, ARCHIVE what `podman container checkpoint --export` writes (gzip and plain; a
directory that it was unpacked into will do for zstd). The reader is `pycriu`: Debian's `python3-pycriu`, or `lib/` of
CRIU's sources after `make lib`. Compared are processes, threads, descriptors, open files of every kind, sockets and what
waits in them, locks, mounts, areas and pages of memory, and shared memory. Exits with 1 if anything differs.
"""

import argparse
import collections
import ipaddress
import json
import os
import quopri
import struct
import subprocess
import sys
import tarfile
import tempfile

import pycriu.images

REGULAR, PIPE, FIFO, INET, UNIX = 1, 2, 3, 4, 5
STATES = {1: "alive", 2: "dead", 3: "stopped", 6: "zombie"}


class Reference:
    """The same facts from CRIU's reader."""

    def __init__(self, directory):
        self.directory = directory

    def entries(self, name):
        path = os.path.join(self.directory, name)
        if not os.path.exists(path):
            return []
        with open(path, "rb") as file:
            return pycriu.images.load(file, pretty=False)["entries"]

    def names(self, prefix):
        return sorted(name for name in os.listdir(self.directory) if name.startswith(prefix))

    def processes(self):
        found = {}
        for entry in self.entries("pstree.img"):
            core = self.entries(f"core-{entry['pid']}.img")[0]
            state = STATES.get(core["tc"]["task_state"], core["tc"]["task_state"])
            threads = []
            if state not in ("dead", "zombie"):
                threads = [(tid, self.entries(f"core-{tid}.img")[0]["thread_core"].get("comm")) for tid in entry["threads"]]
            found[entry["pid"]] = (
                entry["ppid"], entry["pgid"], entry["sid"], core["tc"]["comm"], state,
                [(tid, comm or core["tc"]["comm"]) for tid, comm in threads],
            )
        return found

    def table_of(self, pid):
        ids = self.entries(f"ids-{pid}.img")
        return ids[0]["files_id"] if ids else None

    def descriptors(self):
        found = {}
        for pid in self.processes():
            table = self.table_of(pid)
            entries = self.entries(f"fdinfo-{table}.img") if table is not None else []
            found[pid] = sorted((entry["fd"], entry["id"], bool(entry["flags"] & 1)) for entry in entries)
        return found

    def inside(self, name, key):
        total = collections.Counter()
        for entry in self.entries(name):
            total[entry[key]] += entry.get("bytes", entry.get("length", 0))
        return total

    def files(self):
        """By number: what is comparable."""
        pipes, fifos = self.inside("pipes-data.img", "pipe_id"), self.inside("fifo-data.img", "pipe_id")
        queued = self.inside("sk-queues.img", "id_for")
        memories = {entry["inode_id"]: entry for entry in self.entries("memfd.img")}
        entries = self.entries("files.img")
        paths = {entry["reg"]["id"]: entry["reg"]["name"] for entry in entries if "reg" in entry}
        found = {}
        for entry in entries:
            key = (entry["type"], entry["id"])
            if "reg" in entry:
                reg = entry["reg"]
                found[key] = ("regular", reg["name"], reg["pos"], reg.get("size"), reg.get("mode"), access(reg["flags"]))
            elif "pipe" in entry:
                pipe = entry["pipe"]
                found[key] = ("pipe", pipe["pipe_id"], pipes[pipe["pipe_id"]], access(pipe["flags"]))
            elif "fifo" in entry:
                fifo = entry["fifo"]
                path = paths.get(fifo.get("regf_id", fifo["id"]))
                found[key] = ("fifo", fifo["pipe_id"], path, fifos[fifo["pipe_id"]])
            elif "isk" in entry:
                isk = entry["isk"]
                ends = [address(isk["family"], isk.get("src_addr"), isk["src_port"])]
                if isk["dst_port"]:
                    ends.append(address(isk["family"], isk.get("dst_addr"), isk["dst_port"]))
                found[key] = ("internet", {2: "ipv4", 10: "ipv6"}[isk["family"]], isk["proto"], tuple(ends), isk["backlog"] if isk["state"] == 10 else None)
            elif "usk" in entry:
                usk = entry["usk"]
                name = usk.get("name", b"")
                kind = {1: "stream", 2: "datagram", 5: "seqpacket"}[usk["type"]]
                backlog = usk["backlog"] if usk["state"] == 10 else None
                found[key] = ("unix", kind, spelled(name), usk["ino"], usk["peer"] or None, backlog, queued[usk["id"]])
            elif "efd" in entry:
                found[key] = ("event-counter", entry["efd"]["counter"])
            elif "epfd" in entry:
                found[key] = ("event-poll", tuple(sorted(one["tfd"] for one in entry["epfd"].get("tfd", []))))
            elif "sgfd" in entry:
                mask = entry["sgfd"]["sigmask"]
                found[key] = ("signals", tuple(n for n in range(1, 65) if mask >> (n - 1) & 1))
            elif "tfd" in entry:
                timer = entry["tfd"]
                found[key] = ("timer", timer["vsec"] * 10**9 + timer["vnsec"], timer["isec"] * 10**9 + timer["insec"])
            elif "ify" in entry:
                found[key] = ("inotify", len(entry["ify"].get("wd", [])))
            elif "memfd" in entry:
                memory = memories[entry["memfd"]["inode_id"]]
                found[key] = ("memory-file", memory["name"], memory["size"], entry["memfd"]["pos"])
            else:
                found[key] = ("other",)
        return found

    def locks(self):
        kinds = {1: "posix", 2: "flock", 4: "ofd", 8: "lease"}
        modes = {0: "read", 1: "write"}
        entries = self.entries("filelocks.img")
        return sorted((kinds[e["flag"]], modes[e["type"] & 3], e["pid"], e["fd"]) for e in entries)

    def mounts(self):
        found = []
        for name in self.names("mountpoints-"):
            for entry in self.entries(name):
                found.append((entry["mnt_id"], entry["parent_mnt_id"], entry["mountpoint"], entry["root"], entry["source"]))
        return sorted(found)

    def areas(self):
        found = {}
        for pid in self.processes():
            for entry in self.entries(f"mm-{pid}.img"):
                found[pid] = [(vma["start"], vma["end"], vma["prot"]) for vma in entry["vmas"]]
        return found

    def pages(self, name):
        totals = collections.Counter()
        for entry in self.entries(name)[1:]:
            count = entry.get("nr_pages") or entry.get("compat_nr_pages", 0)
            flags = entry.get("flags", 0) | (1 if entry.get("in_parent") else 0)
            totals["parent"] += count if flags & 1 else 0
            totals["lazy"] += count if flags & 2 else 0
            totals["present"] += count if flags & 4 or not flags & 1 else 0
        return totals["present"], totals["lazy"], totals["parent"]

    def memory(self):
        return {pid: self.pages(f"pagemap-{pid}.img") for pid in self.processes() if self.entries(f"pagemap-{pid}.img")}

    def shared(self):
        prefix = "pagemap-shmem-"
        return {int(name[len(prefix):-4]): self.pages(name) for name in self.names(prefix)}

    def pages_bytes(self):
        return sum(os.path.getsize(os.path.join(self.directory, name)) for name in self.names("pages-"))


def access(flags):
    return ["read", "write", "read-write", "read-write"][flags & 3]


def spelled(name):
    """A name of a Unix socket, as the program writes it: `@` for those without a file."""
    # The reader spells bytes that are no text as `=00`.
    name = name if isinstance(name, bytes) else quopri.decodestring(name)
    if not name:
        return None
    return "@" + name[1:].decode(errors="replace") if name[0] == 0 else name.rstrip(b"\0").decode(errors="replace")


def address(family, words, port):
    words = words or []
    raw = b"".join(struct.pack("<I", word & 0xFFFFFFFF) for word in words)
    size = 4 if family == 2 else 16
    return (str(ipaddress.ip_address(raw[:size].ljust(size, b"\0"))), port)


class Told:
    """The facts as the program tells them."""

    def __init__(self, inspection):
        self.checkpoint = inspection["checkpoint"]
        self.inspection = inspection

    def processes(self):
        return {
            process["pid"]: (
                process["parent"], process["group"], process["session"], process["name"], process["state"],
                [(thread["id"], thread["name"]) for thread in process["threads"]],
            )
            for process in self.checkpoint["processes"]
        }

    def descriptors(self):
        files = self.checkpoint["files"]
        return {
            process["pid"]: [(one["number"], files[one["file"]]["id"], one["close_on_exec"]) for one in process["descriptors"]]
            for process in self.checkpoint["processes"]
        }

    def files(self):
        found = []
        for file in self.checkpoint["files"]:
            kind = file["kind"]
            if kind == "regular":
                what = (kind, file["path"], file["offset"], file["size_bytes"], file["mode"], file["flags"][0])
            elif kind == "pipe":
                what = (kind, file["pipe"], file["buffered_bytes"], file["flags"][0])
            elif kind == "fifo":
                what = (kind, file["pipe"], file["path"], file["buffered_bytes"])
            elif kind == "internet":
                ends = [file[end] for end in ("source", "destination") if file[end]]
                ends = tuple((end["address"], end["port"]) for end in ends)
                what = (kind, file["family"], {"tcp": 6, "udp": 17}[file["protocol"]], ends, file["backlog"])
            elif kind == "unix":
                what = (kind, file["socket"], file["address"], file["inode"], file["peer"], file["backlog"], file["queued_bytes"])
            elif kind == "event-counter":
                what = (kind, file["counter"])
            elif kind == "event-poll":
                what = (kind, tuple(sorted(file["watched"])))
            elif kind == "signals":
                what = (kind, tuple(file["signals"]))
            elif kind == "timer":
                what = (kind, file["value_ns"], file["interval_ns"])
            elif kind == "inotify":
                what = (kind, file["watches"])
            elif kind == "memory-file":
                what = (kind, file["name"], file["size_bytes"], file["offset"])
            else:
                what = ("other",)
            found.append((file["id"], what))
        return found

    def locks(self):
        return sorted((one["kind"], one["mode"], one["pid"], one["descriptor"]) for one in self.checkpoint["locks"])

    def mounts(self):
        every = [one for namespace in self.checkpoint["mounts"] for one in namespace["mounts"]]
        return sorted((one["id"], one["parent"], one["place"], one["root"], one["source"]) for one in every)

    def areas(self):
        bits = {"r": 1, "w": 2, "x": 4}
        return {
            process["pid"]: [
                (area["start"], area["end"], sum(bits.get(letter, 0) for letter in area["protection"]))
                for area in process["memory"]["areas"]
            ]
            for process in self.checkpoint["processes"]
            if process["memory"]
        }

    def memory(self):
        return {p["pid"]: totals(p["memory"]["total"]) for p in self.checkpoint["processes"] if p["memory"]}

    def shared(self):
        return {one["id"]: totals(one) for one in self.checkpoint["shared_memory"]}

    def pages_bytes(self):
        return self.inspection["found"]["files"]["memory_bytes"]


def totals(of):
    return of["present_pages"], of["lazy_pages"], of["parent_pages"]


def images_of(path, scratch):
    """The directory with the images of what is named."""
    if os.path.isdir(path):
        inside = os.path.join(path, "checkpoint")
        return inside if os.path.isdir(inside) else path
    with tarfile.open(path) as archive:
        archive.extractall(scratch, filter="data")
    return os.path.join(scratch, "checkpoint")


def compare(program, path):
    told = subprocess.run([program, "inspect", path, "--json", "--memory"], capture_output=True, check=True).stdout
    inspection = json.loads(told)
    with tempfile.TemporaryDirectory() as scratch:
        reference, mine = Reference(images_of(path, scratch)), Told(inspection)
        differences, counted = [], []
        for what in ("processes", "descriptors", "locks", "mounts", "areas", "memory", "shared", "pages_bytes"):
            expected, found = getattr(reference, what)(), getattr(mine, what)()
            if expected != found:
                differences.append((what, expected, found))
            counted.append(f"{len(expected)} {what}" if hasattr(expected, "__len__") else f"{expected} {what}")
        expected = sorted(map(repr, ((number, what) for (_, number), what in reference.files().items())))
        found = sorted(map(repr, mine.files()))
        differences += [("file", one, "-") for one in expected if one not in found]
        differences += [("file", "-", one) for one in found if one not in expected]
        counted.append(f"{len(expected)} files")
    differences += [("unreadable", "-", one) for one in mine.checkpoint["unreadable"]]
    print(f"{path}: {', '.join(counted)}: {'the same' if not differences else 'DIFFERENT'}")
    for what, expected, found in differences:
        print(f"  {what}\n    crit:    {expected}\n    isodyne: {found}")
    return not differences


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--program", default="isodyne")
    parser.add_argument("paths", nargs="+", metavar="IMAGES|ARCHIVE")
    options = parser.parse_args()
    same = [compare(options.program, path) for path in options.paths]
    sys.exit(0 if all(same) else 1)


if __name__ == "__main__":
    main()
