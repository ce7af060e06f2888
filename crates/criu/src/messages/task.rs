//! `inventory.proto`, `pstree.proto`, `core.proto`, `creds.proto`, `fs.proto`, `utsns.proto`, `netdev.proto`.

use crate::message::{Inner, Numbers, message};

message! {
    pub(crate) struct Inventory ("inventory_entry") {
        pub version: u32 = 1 needed,
        pub descriptors_by_id: bool = 2,
        pub namespaces_by_id: bool = 4,
        pub security_module: Option<u32> = 6,
        pub uptime_us: Option<u64> = 8,
        pub pre_dump_mode: Option<u32> = 9,
        pub run_id: Option<String> = 13,
    }
}

message! {
    pub(crate) struct TreeEntry ("pstree_entry") {
        pub pid: u32 = 1 needed,
        pub parent: u32 = 2 needed,
        pub group: u32 = 3 needed,
        pub session: u32 = 4 needed,
        pub threads: Numbers<u32> = 5,
    }
}

message! {
    pub(crate) struct Core ("core_entry") {
        pub machine: u32 = 1 needed,
        pub task: Inner<TaskCore> = 3,
        pub ids: Inner<Identities> = 4,
        pub thread: Inner<ThreadCore> = 5,
    }
}

message! {
    pub(crate) struct TaskCore ("task_core_entry") {
        pub state: u32 = 1 needed,
        pub exit_code: u32 = 2 needed,
        pub name: String = 6 needed,
        pub login_uid: Option<u32> = 13,
        pub oom_score_adjust: Option<i32> = 14,
    }
}

message! {
    pub(crate) struct ThreadCore ("thread_core_entry") {
        pub credentials: Inner<Credentials> = 10,
        pub seccomp_mode: Option<u32> = 11,
        pub name: Option<String> = 13,
    }
}

message! {
    pub(crate) struct Identities ("task_kobj_ids_entry") {
        pub memory: u32 = 1 needed,
        pub files: u32 = 2 needed,
        pub directories: u32 = 3 needed,
        pub pid_namespace: Option<u32> = 5,
        pub network_namespace: Option<u32> = 6,
        pub ipc_namespace: Option<u32> = 7,
        pub host_namespace: Option<u32> = 8,
        pub mount_namespace: Option<u32> = 9,
        pub user_namespace: Option<u32> = 10,
        pub cgroup_namespace: Option<u32> = 11,
        pub time_namespace: Option<u32> = 12,
    }
}

message! {
    pub(crate) struct Credentials ("creds_entry") {
        pub uid: u32 = 1 needed,
        pub gid: u32 = 2 needed,
        pub effective_uid: u32 = 3 needed,
        pub effective_gid: u32 = 4 needed,
        pub effective_capabilities: Numbers<u32> = 11,
        pub groups: Numbers<u32> = 14,
        pub no_new_privileges: Option<u32> = 18,
    }
}

message! {
    pub(crate) struct Directories ("fs_entry") {
        pub working: u32 = 1 needed,
        pub root: u32 = 2 needed,
        pub mask: Option<u32> = 3,
    }
}

message! {
    pub(crate) struct HostName ("utsns_entry") {
        pub node: String = 1 needed,
        pub domain: String = 2 needed,
    }
}

message! {
    pub(crate) struct NetworkDevice ("net_device_entry") {
        pub kind: u32 = 1 needed,
        pub index: u32 = 2 needed,
        pub mtu: u32 = 3 needed,
        pub flags: u32 = 4 needed,
        pub name: String = 5 needed,
        pub address: Option<Vec<u8>> = 7,
    }
}
