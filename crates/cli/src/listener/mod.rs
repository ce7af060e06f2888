//! Consumers of the run's event stream: the progress on the terminal and the log of events.

pub mod event_log;
pub mod progress;
mod remaining;
