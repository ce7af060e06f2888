#!/bin/sh
# Writes CRIU's images of `subject.c`, as every engine writes them, for `compare.py`.
#
#     tests/inspect/images.sh DIRECTORY runc|podman
#     tests/with-dockerd.sh tests/inspect/images.sh DIRECTORY docker
#
# Needs root, CRIU, a C compiler with a static libc, and the engine. Nothing of it stays but the images.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
into=$1 engine=$2
work=$(mktemp -d "${TMPDIR:-/tmp}/inspect.XXXXXX")
name="inspect-$$"
mkdir -p "$into" "$work/root/proc" "$work/root/dev" "$work/root/tmp" "$work/root/data"
into=$(cd "$into" && pwd)
${CC:-cc} -static -O1 -pthread -w -o "$work/root/subject" "$here/subject.c"

podman_of_ours() {
    podman --root "$work/store" --runroot "$work/run" --tmpdir "$work/tmp" --runtime runc --cgroup-manager cgroupfs \
        --events-backend none --storage-driver vfs "$@"
}

clean() {
    trap - EXIT INT TERM HUP
    case $engine in
    runc) runc --root "$work/state" delete --force "$name" 2>/dev/null || true ;;
    podman) podman_of_ours rm --force --time 0 "$name" >/dev/null 2>&1 || true ;;
    docker) docker rm --force "$name" >/dev/null 2>&1 || true ;;
    esac
    rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM HUP

case $engine in
runc)
    (cd "$work" && runc spec)
    # Nothing of the terminal, the lab's limits, and a root that can be written to.
    python3 - "$work/config.json" <<'END'
import json, sys
with open(sys.argv[1]) as file:
    config = json.load(file)
config["process"].update(terminal=False, args=["/subject", "/data"], rlimits=[])
config["root"]["readonly"] = False
with open(sys.argv[1], "w") as file:
    json.dump(config, file)
END
    mv "$work/root" "$work/rootfs"
    runc --root "$work/state" run --detach --bundle "$work" "$name" </dev/null >/dev/null 2>&1
    sleep 2
    runc --root "$work/state" checkpoint --image-path "$into/runc" --work-path "$work" --file-locks "$name"
    ;;
podman)
    CONTAINERS_CONF=$work/containers.conf
    export CONTAINERS_CONF
    printf '[engine]\nlock_type = "file"\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n' >"$CONTAINERS_CONF"
    tar -C "$work/root" -c . | podman_of_ours import --quiet - localhost/inspect:1 >/dev/null
    podman_of_ours run --detach --name "$name" --network none --log-driver none --ulimit nofile=1024:1024 \
        --ulimit nproc=1024:1024 --tmpfs /tmp localhost/inspect:1 /subject /data >/dev/null
    sleep 2
    for packing in none gzip zstd; do
        podman_of_ours container checkpoint --leave-running --file-locks --compress "$packing" \
            --export "$into/podman-$packing.tar" "$name" >/dev/null 2>&1
    done
    ;;
docker)
    tar -C "$work/root" -c . | docker import - inspect:1 >/dev/null
    # Docker's own call has no option for locks of files, and CRIU finds no path for a watch on an overlay.
    docker run --detach --name "$name" --network none --log-driver none --ulimit nofile=1024:1024 inspect:1 \
        /subject /data without-some >/dev/null
    sleep 2
    docker checkpoint create --checkpoint-dir "$into" "$name" docker >/dev/null
    ;;
*)
    echo "$0: no engine \`$engine\`" >&2
    exit 2
    ;;
esac
