//! Numbers of Linux in words.

/// `MS_*` of `linux/mount.h`.
pub(super) fn mount_flags(flags: u32) -> Vec<&'static str> {
    let known = [
        (1, "ro"),
        (2, "nosuid"),
        (4, "nodev"),
        (8, "noexec"),
        (16, "sync"),
        (1 << 10, "noatime"),
        (1 << 11, "nodiratime"),
        (1 << 17, "unbindable"),
        (1 << 18, "private"),
        (1 << 19, "slave"),
        (1 << 20, "shared"),
        (1 << 21, "relatime"),
    ];
    known.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect()
}

/// `O_*` of `asm-generic/fcntl.h`: how a file was opened, and what else was said.
pub(super) fn open_flags(flags: u32) -> Vec<&'static str> {
    let access = match flags & 3 {
        0 => "read",
        1 => "write",
        _ => "read-write",
    };
    let known = [
        (0o2000, "append"),
        (0o4000, "nonblock"),
        (0o10000, "dsync"),
        (0o20000, "async"),
        (0o40000, "direct"),
        (0o1_000_000, "noatime"),
        (0o2_000_000, "cloexec"),
        (0o10_000_000, "path"),
    ];
    let set = known.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name);
    std::iter::once(access).chain(set).collect()
}

/// `PROT_*` as `/proc/PID/maps` shows them, without the last letter.
pub(super) fn protection(bits: u32) -> String {
    [(1, 'r'), (2, 'w'), (4, 'x')].iter().map(|(bit, letter)| if bits & bit != 0 { *letter } else { '-' }).collect()
}

/// `SOCK_*`.
pub(super) fn socket_kind(kind: u32) -> &'static str {
    match kind {
        1 => "stream",
        2 => "datagram",
        3 => "raw",
        4 => "rdm",
        5 => "seqpacket",
        6 => "dccp",
        10 => "packet",
        _ => "unknown",
    }
}

/// `IPPROTO_*`.
pub(super) fn protocol(protocol: u32) -> &'static str {
    match protocol {
        1 => "icmp",
        6 => "tcp",
        17 => "udp",
        58 => "icmpv6",
        132 => "sctp",
        136 => "udplite",
        255 => "raw",
        _ => "unknown",
    }
}

/// `TCP_*` states of the kernel, which sockets of other kinds use too.
pub(super) fn socket_state(state: u32) -> &'static str {
    match state {
        1 => "established",
        2 => "syn-sent",
        3 => "syn-received",
        4 => "fin-wait-1",
        5 => "fin-wait-2",
        6 => "time-wait",
        7 => "closed",
        8 => "close-wait",
        9 => "last-ack",
        10 => "listening",
        11 => "closing",
        _ => "unknown",
    }
}

/// `NETLINK_*`.
pub(super) fn netlink(protocol: u32) -> &'static str {
    match protocol {
        0 => "route",
        2 => "usersock",
        4 => "sock-diag",
        6 => "xfrm",
        7 => "selinux",
        9 => "audit",
        12 => "netfilter",
        15 => "uevent",
        16 => "generic",
        _ => "other",
    }
}

/// `CLONE_NEW*`.
pub(super) fn namespace(flag: u32) -> &'static str {
    match flag {
        0x80 => "time",
        0x0002_0000 => "mnt",
        0x0200_0000 => "cgroup",
        0x0400_0000 => "uts",
        0x0800_0000 => "ipc",
        0x1000_0000 => "user",
        0x2000_0000 => "pid",
        0x4000_0000 => "net",
        _ => "unknown",
    }
}

/// `CLOCK_*`.
pub(super) fn clock(clock: u32) -> &'static str {
    match clock {
        0 => "realtime",
        1 => "monotonic",
        7 => "boottime",
        8 => "realtime-alarm",
        9 => "boottime-alarm",
        _ => "unknown",
    }
}

/// `TtyType` of CRIU.
pub(super) fn terminal(kind: u32) -> &'static str {
    match kind {
        1 => "pty",
        2 => "console",
        3 => "virtual",
        4 => "current",
        5 => "external",
        6 => "serial",
        _ => "unknown",
    }
}

/// `enum march` of CRIU, in the kernel's names.
pub(super) fn machine(machine: u32) -> Option<&'static str> {
    Some(match machine {
        1 => "x86_64",
        2 => "arm",
        3 => "aarch64",
        4 => "ppc64",
        5 => "s390x",
        6 => "mips",
        7 => "loongarch64",
        8 => "riscv64",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_become_words() {
        assert_eq!(open_flags(0o2_102_002), ["read-write", "append", "cloexec"]);
        assert_eq!(mount_flags(0x20_000f), ["ro", "nosuid", "nodev", "noexec", "relatime"]);
        assert_eq!(protection(5), "r-x");
        assert_eq!(socket_state(10), "listening");
        assert_eq!(namespace(0x4000_0000), "net");
    }
}
