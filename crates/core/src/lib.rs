//! The words of Isodyne as types, and everything that is computed from them.
//!
//! This crate does no I/O: it reads no file, no clock and no environment. What it holds can be tested with values alone.

// So that fixtures may be shared with the whole-crate tests, which know the crate by its name only.
#[cfg(test)]
extern crate self as isodyne_core;

pub mod audit;
pub mod calibration;
pub mod cell;
pub mod checkpoint;
pub mod columns;
pub mod compare;
pub mod diagnostic;
pub mod event;
pub mod factor;
pub mod failure;
pub mod fingerprint;
pub mod gate;
pub mod imported;
pub mod junit;
pub mod ledger;
pub mod plan;
pub mod probe;
pub mod ready;
pub mod record;
pub mod runner;
pub mod sample;
pub mod schedule;
pub mod stats;
pub mod stop;
pub mod streams;
pub mod summary;
pub mod trend;
pub mod unit;
