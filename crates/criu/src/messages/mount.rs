//! `mnt.proto`.

use crate::message::message;

message! {
    pub(crate) struct MountEntry ("mnt_entry") {
        pub kind: u32 = 1 needed,
        pub id: u32 = 2 needed,
        pub device: u32 = 3 needed,
        pub parent: u32 = 4 needed,
        pub flags: u32 = 5 needed,
        pub root: String = 6 needed,
        pub place: String = 7 needed,
        pub source: String = 8 needed,
        pub options: String = 9 needed,
        pub external: Option<bool> = 13,
        pub name: Option<String> = 14,
        pub external_key: Option<String> = 18,
    }
}
