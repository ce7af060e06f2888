#!/bin/sh
# Installs, from the distribution's packages, what building, testing and the main job need. Does nothing, quickly, when
# everything is there. Sandboxes that the distribution does not offer are left out: `isodyne doctor` names them.
set -eu

command -v cargo >/dev/null 2>&1 || [ -x "$HOME/.cargo/bin/cargo" ] || {
    echo "error: no cargo on PATH" >&2
    echo "  hint: install Rust first (https://rustup.rs, or: apt-get install rustup)" >&2
    exit 1
}
command -v apt-get >/dev/null 2>&1 || {
    echo "note: no apt-get here; install gcc, qemu, runc, crun, podman and runsc by your own package manager" >&2
    exit 0
}

# program:package, one per line
wanted="cc:gcc make:make qemu-system-x86_64:qemu-system-x86 runc:runc crun:crun podman:podman runsc:runsc
dockerd:docker.io conmon:conmon iptables:iptables newuidmap:uidmap slirp4netns:slirp4netns passt:passt"
missing=""
for pair in $wanted; do
    command -v "${pair%%:*}" >/dev/null 2>&1 || [ -x "/usr/sbin/${pair%%:*}" ] || missing="$missing ${pair##*:}"
done
# gcc alone does not bring what Rust programs are linked with.
[ -e /usr/include/stdio.h ] || missing="$missing libc6-dev"
criu="$(dirname "$0")/criu.sh"
[ -n "$missing" ] || exec "$criu"

if [ "$(id -u)" = 0 ]; then as_root=""; else
    command -v sudo >/dev/null 2>&1 || {
        echo "error: these packages are missing and only root may install them:$missing" >&2
        echo "  hint: as root, apt-get install$missing" >&2
        exit 1
    }
    as_root=sudo
fi
$as_root apt-get update -q
available=""
for package in $missing; do
    if apt-cache show "$package" >/dev/null 2>&1; then available="$available $package"; else
        echo "note: this distribution has no package $package; what needs it will be skipped" >&2
    fi
done
# shellcheck disable=SC2086 # a list of words is meant
[ -z "$available" ] || DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends $available
"$criu"
