//! Trees of JSON with a limit on their size, and places in them that know their path for messages.

use super::{ImportError, SourceFile};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::cell::Cell;
use std::fmt;

/// A file has no more values, of any kind: a file of the largest size could hold a hundred times its size of them.
const VALUES_LIMIT: usize = 12_000_000;

/// Reads a file as one JSON value.
///
/// # Errors
/// If it is not JSON, is nested too deeply (128 levels), or has too many values.
pub(super) fn json(file: &SourceFile) -> Result<Value, ImportError> {
    json_of(&file.name, &file.bytes, 1)
}

/// Reads bytes of a file that begin in a line as one JSON value.
pub(super) fn json_of(name: &str, bytes: &[u8], first_line: u64) -> Result<Value, ImportError> {
    let left = Cell::new(VALUES_LIMIT);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Bounded(&left).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    read.map_err(|error| {
        let line = first_line + (error.line() as u64).max(1) - 1;
        ImportError::at(name, line, format!("not the JSON it should be: {}", plain(&error)))
    })
}

/// The parser's message without its own mention of the place; it may quote the file.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    let text = text.strip_suffix(&place).unwrap_or(&text);
    format!("{} (column {})", short(text), error.column())
}

/// Foreign text for a message: one line, without control characters, not long.
pub(super) fn short(text: &str) -> String {
    let mut cut: String = text.chars().take(120).collect::<String>().escape_debug().to_string();
    if text.chars().nth(120).is_some() {
        cut.push('…');
    }
    cut
}

/// Builds a value, and counts.
struct Bounded<'a>(&'a Cell<usize>);

impl Bounded<'_> {
    fn count<E: Error>(&self) -> Result<(), E> {
        let left = self.0.get().checked_sub(1);
        self.0.set(left.ok_or_else(|| E::custom(format!("more than {VALUES_LIMIT} values")))?);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Bounded<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count()?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bounded<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }
    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("a number that is none"))
    }
    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(Bounded(self.0))? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            let value = entries.next_value_seed(Bounded(self.0))?;
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("key `{}` stands twice", short(&key))));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

/// A value with the file it is in and the path to it.
#[derive(Clone)]
pub(super) struct Place<'a> {
    file: &'a str,
    /// As a reader would write it: `results[2].times`.
    pub path: String,
    /// What stands there.
    pub value: &'a Value,
}

impl<'a> Place<'a> {
    /// The whole file.
    pub fn root(file: &'a str, value: &'a Value) -> Self {
        Self { file, path: String::new(), value }
    }

    /// An error about this place.
    pub fn wrong(&self, message: impl fmt::Display) -> ImportError {
        let path = if self.path.is_empty() { "the file".to_owned() } else { format!("`{}`", self.path) };
        ImportError::new(self.file, format!("{path}: {message}"))
    }

    /// What stands at a key; `None` if this is no object, or nothing or null stands there.
    pub fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Self { file: self.file, path: self.below(key), value })
    }

    /// What must stand at a key.
    pub fn need(&self, key: &str) -> Result<Self, ImportError> {
        self.get(key).ok_or_else(|| self.wrong(format_args!("key `{key}` is missing")))
    }

    /// A number at a key, if there is one.
    pub fn number_at(&self, key: &str) -> Result<Option<f64>, ImportError> {
        self.get(key).map(|place| place.number()).transpose()
    }

    /// A text at a key; anything else counts as absent.
    pub fn text_at(&self, key: &str) -> Option<&'a str> {
        self.value.get(key)?.as_str()
    }

    /// The number that stands here. JSON has no infinite ones.
    pub fn number(&self) -> Result<f64, ImportError> {
        self.value.as_f64().filter(|value| value.is_finite()).ok_or_else(|| self.expected("a number"))
    }

    /// The text that stands here.
    pub fn text(&self) -> Result<&'a str, ImportError> {
        self.value.as_str().ok_or_else(|| self.expected("a text"))
    }

    /// The array that stands here, by places.
    pub fn items(&self) -> Result<impl Iterator<Item = Self> + use<'a>, ImportError> {
        let items = self.value.as_array().ok_or_else(|| self.expected("an array"))?;
        let (file, path) = (self.file, self.path.clone());
        Ok(items.iter().enumerate().map(move |(index, value)| Self { file, path: format!("{path}[{index}]"), value }))
    }

    /// How many items the array has that stands here.
    pub fn length(&self) -> Result<usize, ImportError> {
        self.value.as_array().map(Vec::len).ok_or_else(|| self.expected("an array"))
    }

    /// The numbers of the array that stands here.
    pub fn numbers(&self) -> Result<Vec<f64>, ImportError> {
        let items = self.value.as_array().ok_or_else(|| self.expected("an array of numbers"))?;
        let number = |(index, item): (usize, &'a Value)| {
            let place = || Self { file: self.file, path: format!("{}[{index}]", self.path), value: item };
            item.as_f64().filter(|value| value.is_finite()).ok_or_else(|| place().expected("a number"))
        };
        items.iter().enumerate().map(number).collect()
    }

    /// The entries of the object that stands here, by places.
    pub fn entries(&self) -> Result<impl Iterator<Item = (&'a str, Self)>, ImportError> {
        let map = self.value.as_object().ok_or_else(|| self.expected("an object"))?;
        Ok(map.iter().map(|(key, value)| (key.as_str(), Self { file: self.file, path: self.below(key), value })))
    }

    fn below(&self, key: &str) -> String {
        if self.path.is_empty() { short(key) } else { format!("{}.{}", self.path, short(key)) }
    }

    fn expected(&self, what: &str) -> ImportError {
        let found = match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        };
        self.wrong(format_args!("expected {what}, found {found}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_trees_are_refused_with_their_place() {
        let read = |text: &str| json_of("a.json", text.as_bytes(), 1).map_err(|error| error.to_string());
        assert!(read(&"[".repeat(100_000)).unwrap_err().contains("recursion limit"));
        assert!(read("{\"a\": 1e999}").unwrap_err().starts_with("a.json:1: not the JSON"));
        assert!(read("{\"a\": NaN}").is_err());
        assert!(read("{\"a\":1,\n\"a\":2}").unwrap_err().starts_with("a.json:2: not the JSON it should be: key `a`"));
        assert!(read("{} {}").is_err());
        let tree = read("{\"a\": {\"b\\u0000\": [1, \"x\"]}}").unwrap();
        let place = Place::root("a.json", &tree).need("a").unwrap().need("b\0").unwrap();
        assert_eq!(place.numbers().unwrap_err().to_string(), "a.json: `a.b\\0[1]`: expected a number, found a text");
    }

    #[test]
    fn values_are_counted() {
        let many = format!("[{}0]", "0,".repeat(VALUES_LIMIT));
        assert!(json_of("a", many.as_bytes(), 1).unwrap_err().message.contains("more than"));
    }
}
