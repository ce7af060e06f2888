//! What the drivers of virtual machine monitors share: factors, the guest kernel's words, logs, control sockets.

pub mod api;
pub mod card;
pub mod command_line;
pub mod console;
pub mod diagnose;
pub mod disk;
pub mod end;
pub mod factors;
pub mod first_sign;
pub mod guest;
pub mod kvm;
pub mod logs;
pub mod machine;
pub mod pin;
pub mod pipe;
pub mod usage;
pub mod vsock;
pub mod way;
