#!/bin/sh
# Installs a CRIU that works with this kernel, if none does: the distribution's own, or else the files of a newer Debian's,
# unpacked beside the system with the libraries they need. The program is told of them and of its own loader by patchelf: a
# script that starts the loader costs a shell with every start, and a checkpoint by runc starts CRIU twice.
#
# Debian 12's CRIU 3.17 cannot read the vDSO of kernels from 6.x on; Debian 13's 4.1 can. Since 6.16 the kernel refuses
# SO_PASSCRED on TCP sockets, and only CRIU 4.2 knows that: an older one cannot dump a process with any TCP socket open.
# Does nothing when a CRIU that is new enough is on PATH. Needs root, as CRIU does.
set -eu

prefix="${ISODYNE_CRIU_PREFIX:-/opt/isodyne-criu}"
link="${ISODYNE_CRIU_LINK:-/usr/local/sbin/criu}"

# Whether the first version is not older than the second.
at_least() {
    [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]
}

least=4.0
at_least "$(uname -r)" 6.16 && least=4.2

works() {
    command -v criu >/dev/null 2>&1 || return 1
    version=$(criu --version 2>/dev/null | sed -n 's/^Version: //p')
    at_least "${version:-0}" "$least"
}

PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
works && exit 0
if [ "$(id -u)" != 0 ]; then
    echo "note: no CRIU $least or newer, and only root may install it: checkpoints of containers will be skipped" >&2
    exit 0
fi
candidate=$(apt-cache policy criu 2>/dev/null | sed -n 's/^ *Candidate: //p')
if at_least "${candidate:-0}" "$least"; then
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends criu
    exit 0
fi

# The same mirror that this system's packages come from has Debian's other releases, if it is one of Debian's.
mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(ORIGIN)' 'Created-By: Packages' 2>/dev/null |
    awk '$3 == "Debian" && $2 !~ /security/ { print $1; exit }')
if [ -z "$mirror" ]; then
    echo "note: this distribution has no CRIU $least or newer: checkpoints of containers will be skipped" >&2
    echo "  hint: build CRIU $least or newer and put it on PATH" >&2
    exit 0
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/criu.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/parts"
: >"$work/status"
# Debian 13 has 4.1, the one after it 4.2.
suite=trixie
[ "$least" = 4.0 ] || suite=forky
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$work/sources.list"
apt_of_13() {
    apt-get -q -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts="$work/parts" \
        -o Dir::State::Lists="$work/lists" -o Dir::State::status="$work/status" -o Dir::Cache="$work/cache" \
        -o APT::Sandbox::User=root -o APT::Install-Recommends=false -o Acquire::Languages=none "$@"
}
echo "installing CRIU of Debian $suite into $prefix" >&2
apt_of_13 update >/dev/null
# With nothing installed, apt wants the whole closure: what criu depends on, and what that depends on.
apt_of_13 install -y --download-only criu iproute2 >/dev/null
rm -rf "$prefix"
mkdir -p "$prefix"
for package in "$work"/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$prefix"
done
# The directories that Debian merges into /usr.
libraries="$prefix/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH 2>/dev/null || echo "$(uname -m)-linux-gnu")"
loader=$(find "$prefix/usr/lib" "$prefix/lib" "$prefix/lib64" "$prefix/usr/lib64" -name 'ld-linux*.so.*' 2>/dev/null | head -n 1)
[ -n "$loader" ] && [ -x "$prefix/usr/sbin/criu" ] || {
    echo "error: the packages of Debian $suite do not hold what was expected (no loader or no criu under $prefix)" >&2
    exit 1
}
patchelf_of_this_system() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends patchelf >/dev/null
}
command -v patchelf >/dev/null || patchelf_of_this_system 2>/dev/null || { apt-get update -q && patchelf_of_this_system; }
patchelf --set-interpreter "$loader" --force-rpath --set-rpath "$libraries" "$prefix/usr/sbin/criu"
mkdir -p "$(dirname "$link")"
ln -sf "$prefix/usr/sbin/criu" "$link"
criu --version >&2
criu check >&2 || echo "note: \`criu check\` is not content with this kernel: checkpoints may not work" >&2
