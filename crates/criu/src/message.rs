//! Messages as structs: a table of fields with their numbers, and what reads them.
//!
//! Fields that are not in the table are passed over: newer versions of CRIU add some. A `needed` field that is absent
//! is an error, never a zero.

use crate::ImageError;
use crate::wire::{self, Value};

/// The most values of one repeated field. The largest that CRIU writes in earnest are a process's memory areas, of
/// which the kernel allows 65,530 unless told otherwise.
pub(crate) const REPEATED_LIMIT: usize = 1 << 20;

/// A message that can be read.
pub(crate) trait Message: Default {
    /// Reads it.
    fn read(bytes: &[u8]) -> Result<Self, ImageError>;
}

/// A type that a field can have.
pub(crate) trait Field: Default {
    /// Takes a value that stands in the message; false if it is of another type. What comes later wins, as the format
    /// demands, and lists grow.
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError>;
}

impl Field for u64 {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        *self = match value {
            Value::Number(number) | Value::Fixed64(number) => number,
            Value::Fixed32(number) => number.into(),
            Value::Bytes(_) => return Ok(false),
        };
        Ok(true)
    }
}

impl Field for u32 {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        let mut wide = 0_u64;
        if !wide.take(value)? {
            return Ok(false);
        }
        // Negative numbers are written with 64 bits; the format demands that the upper ones are dropped.
        *self = wide as u32;
        Ok(true)
    }
}

impl Field for bool {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        let mut number = 0_u64;
        let taken = number.take(value)?;
        *self = number != 0;
        Ok(taken)
    }
}

impl Field for i32 {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        let mut number = 0_u64;
        let taken = number.take(value)?;
        *self = number as i32;
        Ok(taken)
    }
}

impl Field for Vec<u8> {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        let Value::Bytes(bytes) = value else { return Ok(false) };
        *self = bytes.to_vec();
        Ok(true)
    }
}

/// What is not UTF-8 (names of files need not be) is replaced by the mark for it.
impl Field for String {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        let Value::Bytes(bytes) = value else { return Ok(false) };
        *self = String::from_utf8_lossy(bytes).into_owned();
        Ok(true)
    }
}

impl<T: Field> Field for Option<T> {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        self.get_or_insert_default().take(value)
    }
}

/// Signed numbers that are written so that small negative ones stay short (`sint32`, `sint64`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Signed(pub i64);

impl Field for Signed {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        let mut number = 0_u64;
        let taken = number.take(value)?;
        self.0 = (number >> 1) as i64 ^ -((number & 1) as i64);
        Ok(taken)
    }
}

/// Numbers of a repeated field, packed or one by one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Numbers<T>(pub Vec<T>);

impl<T: Field> Numbers<T> {
    fn add(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        limited(self.0.len())?;
        let mut number = T::default();
        let taken = number.take(value)?;
        self.0.push(number);
        Ok(taken)
    }
}

impl<T: Field> Field for Numbers<T> {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        let Value::Bytes(mut packed) = value else { return self.add(value) };
        while !packed.is_empty() {
            let number = wire::number(&mut packed)?;
            self.add(Value::Number(number))?;
        }
        Ok(true)
    }
}

/// Messages or texts of a repeated field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct List<T>(pub Vec<T>);

impl<T: Message> Field for List<T> {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        let Value::Bytes(bytes) = value else { return Ok(false) };
        limited(self.0.len())?;
        self.0.push(T::read(bytes)?);
        Ok(true)
    }
}

/// A message inside a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Inner<T>(pub Option<T>);

impl<T: Message> Field for Inner<T> {
    fn take(&mut self, value: Value<'_>) -> Result<bool, ImageError> {
        let Value::Bytes(bytes) = value else { return Ok(false) };
        self.0 = Some(T::read(bytes)?);
        Ok(true)
    }
}

fn limited(length: usize) -> Result<(), ImageError> {
    if length >= REPEATED_LIMIT {
        return Err(ImageError::Limit { what: "values of a field", limit: REPEATED_LIMIT });
    }
    Ok(())
}

/// Declares a message: `name: type = number`, and `needed` for what CRIU always writes.
macro_rules! message {
    (
        $(#[$about:meta])*
        $visible:vis struct $name:ident ($called:literal) {
            $( $(#[$said:meta])* $shown:vis $field:ident : $type:ty = $number:literal $($need:ident)? , )*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq)]
        $visible struct $name {
            $( $(#[$said])* $shown $field: $type, )*
        }

        impl $crate::message::Message for $name {
            fn read(bytes: &[u8]) -> Result<Self, $crate::ImageError> {
                let mut message = Self::default();
                let mut seen = 0_u64;
                for field in $crate::wire::fields(bytes) {
                    let (number, value) = field?;
                    let taken = match number {
                        $( $number => $crate::message::Field::take(&mut message.$field, value)?, )*
                        _ => true,
                    };
                    if !taken {
                        return Err($crate::ImageError::Type { message: $called, number });
                    }
                    seen |= 1_u64.checked_shl(number).unwrap_or(0);
                }
                $( $crate::message::message!(@check seen, $called, $field, $number $($need)?); )*
                let _ = seen;
                Ok(message)
            }
        }
    };
    (@check $seen:ident, $called:literal, $field:ident, $number:literal) => {};
    (@check $seen:ident, $called:literal, $field:ident, $number:literal needed) => {
        if $seen & (1 << $number) == 0 {
            return Err($crate::ImageError::Absent { message: $called, field: stringify!($field) });
        }
    };
}

pub(crate) use message;

#[cfg(test)]
mod tests {
    use super::*;

    message! {
        struct Leaf ("leaf") {
            value: u32 = 1 needed,
        }
    }

    message! {
        struct Tree ("tree") {
            name: String = 1 needed,
            numbers: Numbers<u32> = 2,
            leaves: List<Leaf> = 3,
            depth: Option<Signed> = 4,
            leaf: Inner<Leaf> = 5,
        }
    }

    #[test]
    fn every_type_of_field_is_read() {
        let bytes = [
            &[0x0a, 1, b'x'][..],
            &[0x10, 7],
            &[0x12, 3, 1, 0x96, 1],
            &[0x1a, 2, 8, 1, 0x1a, 2, 8, 2],
            &[0x20, 3],
            &[0x2a, 2, 8, 9],
            // A field of a newer version.
            &[0xf8, 0x7f, 1],
        ]
        .concat();
        let tree = Tree::read(&bytes).unwrap();
        assert_eq!((tree.name.as_str(), tree.numbers.0), ("x", vec![7, 1, 150]));
        assert_eq!(tree.leaves.0, [Leaf { value: 1 }, Leaf { value: 2 }]);
        assert_eq!((tree.depth, tree.leaf.0), (Some(Signed(-2)), Some(Leaf { value: 9 })));
    }

    #[test]
    fn what_is_absent_or_of_another_type_is_no_zero() {
        assert_eq!(Tree::read(&[]), Err(ImageError::Absent { message: "tree", field: "name" }));
        assert_eq!(Tree::read(&[0x08, 1]), Err(ImageError::Type { message: "tree", number: 1 }));
        assert_eq!(Tree::read(&[0x0a, 0, 0x1a, 0]), Err(ImageError::Absent { message: "leaf", field: "value" }));
    }

    #[test]
    fn lists_have_an_end() {
        let bytes = [&[0x0a, 0, 0x12, 0x81, 0x80, 0x40][..], &vec![1; REPEATED_LIMIT + 1]].concat();
        assert!(matches!(Tree::read(&bytes), Err(ImageError::Limit { .. })));
    }
}
