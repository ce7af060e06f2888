//! The commands, one module each: arguments in, exit code out.

pub mod audit;
pub mod calibrate;
pub mod check;
pub mod checkpoint;
pub mod compare;
pub mod doctor;
pub mod export;
pub mod gate;
pub mod guardian;
pub mod history;
pub mod image;
pub mod import;
pub mod list;
pub mod manual;
pub mod merge;
pub mod monitor;
pub mod plans;
pub mod report;
pub mod restore;
pub mod run;
pub mod sandbox;
pub mod selfcheck;
pub mod setup;
pub mod shm;
mod shm_serve;
pub mod show;
pub mod trend;
