#!/bin/sh
# Runs a command with another layout of cgroups than the host's, in a mount namespace of its own.
#
#     tests/with-cgroups.sh v1 cargo test …
#     tests/with-cgroups.sh v2 cargo test …
#
# On a hybrid host `v1` shows only the v1 hierarchies and `v2` only the v2 hierarchy (which then has few controllers, or
# none). Needs root. Exits with the command's code, or with 77 (skipped) if the host does not have that layout.
set -eu

if [ $# -lt 2 ] || { [ "$1" != v1 ] && [ "$1" != v2 ]; }; then
    echo "usage: $0 v1|v2 COMMAND [ARGUMENT]..." >&2
    exit 2
fi
if [ "${ISODYNE_CGROUPS_PRIVATE:-}" != yes ]; then
    if [ "$(id -u)" -ne 0 ]; then
        echo "$0: it needs root" >&2
        exit 77
    fi
    ISODYNE_CGROUPS_PRIVATE=yes exec unshare --mount --propagation private "$0" "$@"
fi
unset ISODYNE_CGROUPS_PRIVATE
layout=$1
shift

case $layout in
v1)
    points=$(awk '$0 ~ / - cgroup / { print $5 }' /proc/self/mountinfo)
    if [ -z "$points" ]; then
        echo "$0: this host has no v1 hierarchy" >&2
        exit 77
    fi
    # Kept aside while the directory above them is covered.
    aside=$(mktemp -d)
    mount -t tmpfs none "$aside"
    for point in $points; do
        mkdir -p "$aside/$(basename "$point")"
        mount --bind "$point" "$aside/$(basename "$point")"
    done
    umount -R -l /sys/fs/cgroup
    mount -t tmpfs -o mode=755 none /sys/fs/cgroup
    for point in "$aside"/*; do
        mkdir "/sys/fs/cgroup/$(basename "$point")"
        mount --move "$point" "/sys/fs/cgroup/$(basename "$point")"
    done
    umount "$aside"
    rmdir "$aside"
    ;;
v2)
    umount -R -l /sys/fs/cgroup
    mount -t cgroup2 none /sys/fs/cgroup
    ;;
esac
exec "$@"
