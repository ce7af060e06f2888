#!/bin/sh
# The nested lab: a Debian guest in QEMU's TCG with AMD's virtualisation emulated, in which /dev/kvm is real. Isodyne's own
# end-to-end tests run in it, with QEMU on KVM always, and with Firecracker and Cloud Hypervisor where these name them:
#
#     ISODYNE_FIRECRACKER=FILE ISODYNE_JAILER=FILE ISODYNE_CLOUD_HYPERVISOR=FILE scripts/nested.sh [-t SECONDS] [COMMAND]
#
# COMMAND is a shell line for the guest, run in /payload; without it, tests/nested/run.sh. What it leaves in
# $ISODYNE_RESULTS comes back to target/nested/results. No root, no network but the distribution's packages, no mounts.
# Exits with the command's status; 124 after the deadline, 125 if the guest died, 77 if this host cannot build the guest.
set -eu
project=$(cd "$(dirname "$0")/.." && pwd)
target=${CARGO_TARGET_DIR:-$project/target}
lab=${ISODYNE_NESTED:-$target/nested}
limit=5400
[ "${1:-}" != -t ] || {
    limit=$2
    shift 2
}
PATH=$PATH:/usr/sbin:/sbin

unable() {
    echo "skipped: $1" >&2
    exit 77
}
for program in qemu-system-x86_64 mke2fs apt-get dpkg-deb tar timeout; do
    command -v $program >/dev/null || unable "there is no $program (Debian has it as a package)"
done
[ "$(dpkg --print-architecture)" = amd64 ] || unable "the guest is for amd64"
mkdir -p "$lab"

# The guest: the distribution's own kernel, QEMU and busybox, resolved as if nothing were installed. Built once per kernel.
image=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | sed -n 's/^ *Depends: //p' | head -n 1)
[ -n "$image" ] || unable "the package lists have no linux-image-cloud-amd64 (apt-get update; Debian only)"
release=${image#linux-image-}
# Another one as soon as what starts in it has changed.
guest=$lab/$release-$(cat "$project"/tests/nested/*init | cksum | cut -d ' ' -f 1)
if [ ! -e "$guest/complete" ]; then
    echo "building the guest ($release) in $guest" >&2
    rm -rf "$lab/$release" "$lab/$release"-*
    mkdir -p "$guest/debs/partial" "$guest/root" "$guest/start/bin" "$guest/start/modules"
    : >"$guest/nothing-installed"
    (
        cd "$guest/debs"
        apt-get -q -y -o Debug::NoLocking=1 -o Dir::State::status="$guest/nothing-installed" \
            -o Dir::Cache::archives="$guest/debs/" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= \
            -o APT::Install-Recommends=false --download-only install qemu-system-x86 busybox-static kmod e2fsprogs
        apt-get -q download "$image"
    ) >"$guest/apt.log" 2>&1 || {
        tail -n 5 "$guest/apt.log" >&2
        unable "the guest's packages cannot be had"
    }
    root=$guest/root
    mkdir -p "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64"
    for place in bin sbin lib lib64; do ln -s "usr/$place" "$root/$place"; done
    for package in "$guest"/debs/*.deb; do
        dpkg-deb --fsys-tarfile "$package" |
            tar -x -C "$root" --keep-directory-symlink --no-same-owner --exclude='./usr/share/doc' --exclude='./dev/*'
    done
    rm -rf "$guest/debs" "$root/usr/share/locale" "$root/usr/share/man"
    mkdir -p "$root/dev" "$root/proc" "$root/sys" "$root/run" "$root/tmp" "$root/payload" "$root/root"
    for applet in sh ash cat cut date df dmesg echo env find free grep head hostname ip kill ls mkdir mount mv ps readlink \
        rm rmdir sed setsid sleep sort stat sync tail tar time touch tr umount uname wc cp ln chmod test true; do
        [ -e "$root/usr/bin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
    done
    echo "root:x:0:0:root:/root:/bin/sh" >"$root/etc/passwd"
    echo "root:x:0:" >"$root/etc/group"
    cp "$project/tests/nested/init" "$root/usr/sbin/nested-init"
    chmod +x "$root/usr/sbin/nested-init"
    modules=$root/usr/lib/modules/$release
    depmod -b "$root" "$release" 2>/dev/null || chroot_depmod=missing
    [ -s "$modules/modules.dep" ] || unable "depmod (package kmod) did not work: ${chroot_depmod:-no modules}"
    cp "$root/boot/vmlinuz-$release" "$guest/vmlinuz"

    # An initramfs with what the root disk needs, in the order that its modules need.
    cp "$root/usr/bin/busybox" "$guest/start/bin/busybox"
    cp "$project/tests/nested/initramfs-init" "$guest/start/init"
    chmod +x "$guest/start/init"
    mkdir -p "$guest/start/proc" "$guest/start/sys" "$guest/start/dev" "$guest/start/root"
    for module in virtio_pci virtio_blk ext4; do
        modprobe -d "$root" -S "$release" --show-depends $module | sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | while read -r file; do
        name=$(basename "$file" .xz)
        [ ! -e "$guest/start/modules/$name" ] || continue
        case $file in *.xz) xz -dc "$file" >"$guest/start/modules/$name" ;; *) cp "$file" "$guest/start/modules/$name" ;; esac
        echo "$name" >>"$guest/start/modules/order"
    done
    (cd "$guest/start" && find . | "$root/usr/bin/busybox" cpio -o -H newc 2>/dev/null) >"$guest/initramfs"
    truncate -s 2G "$guest/root.ext4"
    mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 -d "$root" "$guest/root.ext4"
    rm -rf "$root" "$guest/start"
    : >"$guest/complete"
fi

# The payload: the program, the tests, a cache with the inner guest's kernel, and the monitors that were named.
profile=${ISODYNE_NESTED_PROFILE:-release}
cd "$project"
cargo build --locked --profile "$profile" --bin isodyne
suites="microvm microvm_network microvm_devices microvm_failures qemu_boot"
# shellcheck disable=SC2046 # a list of words is meant
cargo test --locked --profile "$profile" -p isodyne-engine $(printf -- '--test %s ' $suites) --no-run \
    --message-format=json >"$lab/tests.json"
tests=$(sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' "$lab/tests.json")
directory=$profile
[ "$profile" != dev ] || directory=debug
XDG_CACHE_HOME=$lab/cache "$target/$directory/isodyne" setup >&2
payload=$lab/payload
rm -rf "$payload"
mkdir -p "$payload/bin" "$payload/cache"
cp "$target/$directory/isodyne" tests/nested/run.sh "$payload/"
for test in $tests; do
    name=$(basename "$test")
    cp "$test" "$payload/${name%-*}"
done
cp -r "$lab/cache/isodyne" "$payload/cache/"
given() {
    [ -n "$2" ] || return 0
    cp "$2" "$payload/bin/$1"
    chmod +x "$payload/bin/$1"
}
given firecracker "${ISODYNE_FIRECRACKER:-}"
given jailer "${ISODYNE_JAILER:-}"
given cloud-hypervisor "${ISODYNE_CLOUD_HYPERVISOR:-}"
if [ $# -gt 0 ]; then
    # shellcheck disable=SC2016 # the guest's PATH is meant
    printf 'export PATH="/payload/bin:$PATH" XDG_CACHE_HOME=/payload/cache ISODYNE_TEST_CACHE=/payload/cache/isodyne\n%s\n' "$*"
else
    echo "ISODYNE_NESTED_SAMPLES=${ISODYNE_NESTED_SAMPLES:-5} exec sh ./run.sh"
fi >"$payload/command"

# Disks of this run alone: several labs may run at once.
run=$(mktemp -d "$lab/run.XXXXXX")
trap 'rm -rf "$run"' EXIT INT TERM
rm -f "$run/payload.ext4"
truncate -s 2G "$run/payload.ext4"
mke2fs -q -t ext4 -O ^has_journal -E root_owner=0:0 -d "$payload" "$run/payload.ext4"
truncate -s 512M "$run/results"
disk() { echo "-drive file=$1,format=raw,if=none,id=$2,cache=unsafe$3 -device virtio-blk-pci,drive=$2"; }
status=0
# shellcheck disable=SC2046 # lists of words are meant
timeout -k 5 "$limit" qemu-system-x86_64 -M q35 -accel tcg,thread=multi -cpu EPYC,+svm,+npt -smp 2 -m 3000M \
    -no-user-config -nodefaults -display none -no-reboot -serial stdio \
    -kernel "$guest/vmlinuz" -initrd "$guest/initramfs" -append "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off tsc=reliable" \
    $(disk "$guest/root.ext4" root ,snapshot=on) $(disk "$run/payload.ext4" payload "") \
    $(disk "$run/results" results "") -device virtio-rng-pci </dev/null 2>"$run/qemu.log" || status=$?
grep -v "TCG doesn't support" "$run/qemu.log" >&2 || true
[ $status != 124 ] && [ $status != 137 ] || {
    echo "error: the guest did not end within $limit s" >&2
    exit 124
}
rm -rf "$lab/results"
mkdir -p "$lab/results"
tar -x -f "$run/results" -C "$lab/results" --no-same-owner 2>/dev/null || true
[ -s "$lab/results/status" ] || {
    echo "error: the guest died before the command had ended" >&2
    exit 125
}
echo "results: $lab/results" >&2
exit "$(cat "$lab/results/status")"
