//! `sk-inet.proto`, `sk-unix.proto`, `sk-netlink.proto`, `packet-sock.proto`, `tcp-stream.proto`, `sk-packet.proto`.

use crate::message::{Numbers, message};

message! {
    pub(crate) struct InternetSocket ("inet_sk_entry") {
        pub id: u32 = 1 needed,
        pub inode: u32 = 2 needed,
        pub family: u32 = 3 needed,
        pub kind: u32 = 4 needed,
        pub protocol: u32 = 5 needed,
        pub state: u32 = 6 needed,
        pub source_port: u32 = 7 needed,
        pub destination_port: u32 = 8 needed,
        pub flags: u32 = 9 needed,
        pub backlog: u32 = 10 needed,
        pub source: Numbers<u32> = 11,
        pub destination: Numbers<u32> = 12,
        pub interface: Option<String> = 17,
        pub namespace: Option<u32> = 18,
    }
}

message! {
    pub(crate) struct UnixSocket ("unix_sk_entry") {
        pub id: u32 = 1 needed,
        pub inode: u32 = 2 needed,
        pub kind: u32 = 3 needed,
        pub state: u32 = 4 needed,
        pub flags: u32 = 5 needed,
        pub backlog: u32 = 7 needed,
        pub peer: u32 = 8 needed,
        pub name: Vec<u8> = 11 needed,
        pub directory: Option<String> = 14,
        pub deleted: Option<bool> = 15,
    }
}

message! {
    pub(crate) struct NetlinkSocket ("netlink_sk_entry") {
        pub id: u32 = 1 needed,
        pub inode: u32 = 2 needed,
        pub protocol: u32 = 3 needed,
        pub state: u32 = 4 needed,
        pub flags: u32 = 6 needed,
        pub port: u32 = 7 needed,
    }
}

message! {
    pub(crate) struct PacketSocket ("packet_sock_entry") {
        pub id: u32 = 1 needed,
        pub kind: u32 = 2 needed,
        pub protocol: u32 = 3 needed,
        pub flags: u32 = 4 needed,
    }
}

message! {
    pub(crate) struct TcpStreamEntry ("tcp_stream_entry") {
        pub received_bytes: u32 = 1 needed,
        pub received_sequence: u32 = 2 needed,
        pub sending_bytes: u32 = 3 needed,
        pub sending_sequence: u32 = 4 needed,
        pub unsent_bytes: Option<u32> = 12,
    }
}

message! {
    pub(crate) struct QueuedPacket ("sk_packet_entry") {
        pub socket: u32 = 1 needed,
        pub length: u32 = 2 needed,
    }
}
