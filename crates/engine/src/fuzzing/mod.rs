//! What must hold of the engine's parsers for any foreign bytes: one function per fuzz target of `fuzz/`.
//!
//! Only compiled for tests and fuzzers. The tests run every function on the seeds of `fuzz/seeds/` and on small changes
//! of them, so that the targets cannot rot without a fuzzer.

mod app;
mod image;
mod text;
mod wire;

pub use app::{image_archive, image_documents, image_layers, image_references};
pub use image::{archive, kernel, unpack};
pub use text::texts;
pub use wire::{docker, http, ivshmem, qmp};

#[cfg(test)]
mod tests;
