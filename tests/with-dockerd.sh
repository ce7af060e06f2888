#!/bin/sh
# Runs a command with a Docker daemon of its own: private data, private socket, no bridge, no firewall rules.
#
#     tests/with-dockerd.sh cargo test …
#
# Exports DOCKER_HOST. The daemon, its containerd and everything they made are gone afterwards, whatever ends the command.
# Exits with the command's code, or with 77 (skipped) if there is no dockerd or it does not start here.
set -eu

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
if [ $# -eq 0 ]; then
    echo "usage: $0 COMMAND [ARGUMENT]..." >&2
    exit 2
fi
if ! command -v dockerd >/dev/null; then
    echo "$0: there is no dockerd (Debian: apt install docker.io)" >&2
    exit 77
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "$0: dockerd needs root here" >&2
    exit 77
fi

directory=$(mktemp -d "${TMPDIR:-/tmp}/dockerd.XXXXXX")
chmod 700 "$directory"
daemon=

cleanup() {
    trap - EXIT INT TERM HUP
    if [ -n "$daemon" ] && kill -TERM "$daemon" 2>/dev/null; then
        # dockerd stops its containers and its containerd first; it gets ten seconds for that.
        left=100
        while [ "$left" -gt 0 ] && kill -0 "$daemon" 2>/dev/null; do
            left=$((left - 1))
            sleep 0.1
        done
        kill -KILL "$daemon" 2>/dev/null || true
        wait "$daemon" 2>/dev/null || true
    fi
    # Mounts of containers that a killed daemon left, deepest first.
    awk -v under="$directory/" 'index($5, under) == 1 { print $5 }' /proc/self/mountinfo | sort -r |
        while read -r point; do umount -l "$point" 2>/dev/null || true; done
    rm -rf "$directory"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

socket="$directory/docker.sock"
# The storage driver is the daemon's choice; DOCKERD_STORAGE=vfs works on every file system.
# Checkpoints are one of its experimental features.
dockerd --experimental --data-root "$directory/data" --exec-root "$directory/exec" --pidfile "$directory/dockerd.pid" \
    --host "unix://$socket" --iptables=false --ip6tables=false --bridge=none --ip-masq=false \
    ${DOCKERD_STORAGE:+--storage-driver "$DOCKERD_STORAGE"} >"$directory/log" 2>&1 &
daemon=$!

tries=0
until curl --silent --fail --unix-socket "$socket" http://localhost/_ping >/dev/null 2>&1 ||
    DOCKER_HOST="unix://$socket" docker version >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ "$tries" -gt 150 ] || ! kill -0 "$daemon" 2>/dev/null; then
        echo "$0: dockerd did not start:" >&2
        tail -n 5 "$directory/log" >&2
        exit 77
    fi
    sleep 0.2
done

export DOCKER_HOST="unix://$socket"
status=0
"$@" || status=$?
exit "$status"
