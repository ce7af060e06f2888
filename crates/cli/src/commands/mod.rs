//! The commands, one module each: arguments in, exit code out.

pub mod audit;
pub mod calibrate;
pub mod check;
pub mod doctor;
pub mod guardian;
pub mod import;
pub mod list;
pub mod manual;
pub mod plans;
pub mod report;
pub mod run;
pub mod setup;
pub mod show;
