//! A checkpoint that was looked into, for people: as a tree, or in sections with tables.

mod facts;
mod table;
mod tree;
mod words;

pub use table::inspection_text;
pub use tree::inspection_tree;

#[cfg(test)]
mod tests;
