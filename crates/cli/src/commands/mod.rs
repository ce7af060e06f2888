//! The commands, one module each: arguments in, exit code out.

pub mod audit;
pub mod calibrate;
pub mod check;
pub mod compare;
pub mod doctor;
pub mod export;
pub mod gate;
pub mod guardian;
pub mod history;
pub mod image;
pub mod import;
pub mod inspect;
pub mod list;
pub mod manual;
pub mod merge;
pub mod plans;
pub mod report;
pub mod run;
pub mod selfcheck;
pub mod setup;
pub mod shm;
mod shm_serve;
pub mod show;
pub mod trend;
