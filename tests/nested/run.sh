#!/bin/sh
# What `make nested` runs in its guest: Isodyne's end-to-end tests on a real /dev/kvm, and the main job.
failed=""
step() {
    name=$1
    shift
    echo "== $name"
    read -r begin _ </proc/uptime
    "$@" || failed="$failed $name"
    read -r end _ </proc/uptime
    echo "== $name: $begin to $end s"
}

export XDG_CACHE_HOME=/payload/cache ISODYNE_TEST_CACHE=/payload/cache/isodyne PATH="/payload/bin:$PATH" NO_COLOR=1
on=qemu
[ ! -x /payload/bin/firecracker ] || on="firecracker,$on"
[ ! -x /payload/bin/cloud-hypervisor ] || on="cloud-hypervisor,$on"

step doctor ./isodyne doctor
# Where the host is busy, an inner guest takes longer than the ordinary deadline. Nothing here is compared, so that nothing
# has to be warm.
step boot ./isodyne run boot --on "$on" -n "${ISODYNE_NESTED_SAMPLES:-5}" --set warmup=0 --set 'boot.timeout=180 s' \
    --out "$ISODYNE_RESULTS/boot"
./isodyne show "$ISODYNE_RESULTS/boot" --json >"$ISODYNE_RESULTS/boot.json"
step checkpoint ./isodyne run checkpoint --on "$on" -n "${ISODYNE_NESTED_SAMPLES:-5}" --set warmup=0 \
    --set 'checkpoint.timeout=180 s' --set 'checkpoint.resident=10 MB' --set checkpoint.clones=5 \
    --out "$ISODYNE_RESULTS/checkpoint"
./isodyne show "$ISODYNE_RESULTS/checkpoint" --json >"$ISODYNE_RESULTS/checkpoint.json"
# A sandbox with an owner, kept by a command and brought back by another.
owned() {
    kept=$(mktemp -d)
    ./isodyne sandbox start --on "$1" --name one &
    until ./isodyne sandbox list 2>/dev/null | grep -q "one .*$1"; do kill -0 $! || return; done
    ./isodyne checkpoint one -o "$kept" --name state && ./isodyne inspect "$kept/state" --summary || return
    wait $! || return
    ./isodyne restore --from "$kept/state" --new-name two --verify &
    until ./isodyne sandbox list 2>/dev/null | grep -q "two .*$1"; do kill -0 $! || return; done
    said=$(./isodyne sandbox exec two -- /proc/self/exe echo back)
    ./isodyne sandbox stop two && wait $! && [ "$said" = back ]
    status=$?
    rm -rf "$kept"
    return $status
}
for backend in $(echo "$on" | tr , ' '); do step "owned_$backend" owned "$backend"; done
# One at a time: every test wants the whole of two slow processors.
step microvm ./microvm --test-threads=1 --nocapture
step microvm_network ./microvm_network --test-threads=1 --nocapture
step failures ./microvm_failures --test-threads=1 --nocapture
step devices ./microvm_devices --test-threads=1 --nocapture
# Once more where there are huge pages: what was refused without them must boot.
echo 80 >/proc/sys/vm/nr_hugepages
step huge_pages ./microvm_devices --test-threads=1 --nocapture huge_pages_where
echo 0 >/proc/sys/vm/nr_hugepages
step qemu_boot ./qemu_boot --test-threads=1 without_init what_qemu_refuses pinned
left=$(ps | grep -E 'firecracker|cloud-hyper|qemu-system|isodyne' | grep -v -e grep -e run.sh -e '-name holder')
[ -z "$left" ] || { echo "left running: $left"; failed="$failed leftovers"; }
[ -z "$failed" ] || { echo "failed:$failed"; exit 1; }
