//! `mm.proto`, `vma.proto`, `pagemap.proto`.

use crate::message::{List, Numbers, message};

message! {
    pub(crate) struct AddressSpace ("mm_entry") {
        pub arguments_start: u64 = 8 needed,
        pub arguments_end: u64 = 9 needed,
        pub environment_start: u64 = 10 needed,
        pub environment_end: u64 = 11 needed,
        pub program: u32 = 12 needed,
        pub auxiliary: Numbers<u64> = 13,
        pub areas: List<AreaEntry> = 14,
    }
}

message! {
    pub(crate) struct AreaEntry ("vma_entry") {
        pub start: u64 = 1 needed,
        pub end: u64 = 2 needed,
        pub offset: u64 = 3 needed,
        pub object: u64 = 4 needed,
        pub protection: u32 = 5 needed,
        pub flags: u32 = 6 needed,
        pub status: u32 = 7 needed,
    }
}

message! {
    pub(crate) struct PageMapHead ("pagemap_head") {
        pub pages: u32 = 1 needed,
    }
}

message! {
    pub(crate) struct PageMapEntry ("pagemap_entry") {
        pub address: u64 = 1 needed,
        pub pages_compatible: u32 = 2,
        pub in_parent: bool = 3,
        pub flags: Option<u32> = 4,
        pub pages: Option<u64> = 5,
    }
}
