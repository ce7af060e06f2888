//! What can be wrong with an image.

use thiserror::Error;

/// Why an image, or a message in it, cannot be read. The file's name is added by who knows it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// It ends too early.
    #[error("it ends inside {0}")]
    Cut(&'static str),
    /// It is something else.
    #[error("it begins with {found:#010x}, which is no {wanted} image of CRIU")]
    Magic {
        /// The number that was found.
        found: u32,
        /// What was wanted: the name that CRIU's own tool gives to the kind.
        wanted: &'static str,
    },
    /// A message breaks the rules of the wire format.
    #[error("a message is malformed: {0}")]
    Wire(&'static str),
    /// A field has another type than in CRIU's definition.
    #[error("field {number} of {message} has the wrong type")]
    Type {
        /// The message.
        message: &'static str,
        /// The number of the field.
        number: u32,
    },
    /// A field that CRIU always writes is absent.
    #[error("{message} has no `{field}`")]
    Absent {
        /// The message.
        message: &'static str,
        /// The field.
        field: &'static str,
    },
    /// There is more of something than is read.
    #[error("more than {limit} {what}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many are read.
        limit: usize,
    },
    /// What is in it cannot be.
    #[error("{0}")]
    Nonsense(&'static str),
}
