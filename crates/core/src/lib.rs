//! The words of Isodyne as types, and everything that is computed from them.
//!
//! This crate does no I/O: it reads no file, no clock and no environment. What it holds can be tested with values alone.

pub mod cell;
pub mod diagnostic;
pub mod event;
pub mod factor;
pub mod failure;
pub mod fingerprint;
pub mod ledger;
pub mod plan;
pub mod probe;
pub mod record;
pub mod sample;
pub mod schedule;
pub mod stats;
pub mod summary;
pub mod unit;
