//! Every side effect of measuring: processes, sockets, images, the host's files.
//!
//! The engine prints nothing. It emits [`isodyne_core::event::RunEvent`]s, which the store, the progress bar and logs
//! consume. There is no async runtime here: threads, file descriptors and deadlines.

pub mod application;
pub mod backend;
pub mod build;
pub mod calibrate;
pub mod channel;
pub mod checkpoint;
pub mod clock;
pub mod clones;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod host;
pub mod http;
pub mod image;
pub mod inspect;
pub mod lab;
pub mod live;
pub mod monitor;
pub mod network;
pub mod ownership;
pub mod schedule;
pub mod shm;
mod wait;
pub mod watch;
pub mod workload;
