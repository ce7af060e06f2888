//! JSON by key path: every error names the file and the key.

use super::{ImportError, SourceFile, text};
use serde_json::Value;

/// What a file may take in memory once it is parsed, estimated before.
const MEMORY_LIMIT_BYTES: usize = 1 << 30;
/// How much of a wrong value an error shows, in characters.
const SHOWN_LIMIT: usize = 60;

/// Parses a file as one JSON value.
///
/// # Errors
/// If it is none, with the line; if it is nested deeper than 128, or would take more than 1 GiB.
pub fn parse(file: &SourceFile) -> Result<Value, ImportError> {
    parse_text(&file.name, 1, text::utf8(file)?)
}

/// Parses a text that begins at a line of a file (a line of JSON, for instance).
///
/// # Errors
/// As [`parse`].
pub fn parse_text(file: &str, line: u64, json: &str) -> Result<Value, ImportError> {
    if estimate_bytes(json.as_bytes()) > MEMORY_LIMIT_BYTES {
        return Err(ImportError::at(file, line, "it would take more than 1 GiB in memory: import a part of it"));
    }
    serde_json::from_str(json).map_err(|error| {
        let place = format!(" at line {} column {}", error.line(), error.column());
        let shown = error.to_string();
        let mut message = shown.strip_suffix(&place).unwrap_or(&shown).to_owned();
        message = format!("column {}: {message}", error.column());
        let bad = json.lines().nth(error.line().saturating_sub(1)).unwrap_or_default();
        if error.is_eof() {
            message.push_str(": the file was cut off");
        } else if ["NaN", "Infinity", "nan", "inf"].iter().any(|token| bad.contains(token)) {
            message.push_str(": JSON has no NaN and no Infinity; replace them with null");
        } else if message.contains("recursion limit") {
            message = format!("column {}: nested more than 128 deep", error.column());
        }
        ImportError::at(file, line + error.line().max(1) as u64 - 1, message)
    })
}

/// The memory of the parsed value at most, roughly: a tree node for every object, a value for every comma and bracket.
fn estimate_bytes(json: &[u8]) -> usize {
    json.iter().fold(json.len(), |sum, byte| match byte {
        b'{' => sum + 640,
        b',' | b'[' => sum + 64,
        _ => sum,
    })
}

/// A value with the path to it.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    file: &'a str,
    path: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    /// The root of a file.
    pub fn root(file: &'a str, value: &'a Value) -> Self {
        Self { file, path: String::new(), value }
    }

    /// The value itself.
    pub fn value(&self) -> &'a Value {
        self.value
    }

    /// The keys to it: `stats.median`, `iterations[3].duration_seconds`; empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The path of a key of this object.
    pub fn path_of(&self, key: &str) -> String {
        let key = if key.chars().any(char::is_control) { key.escape_debug().to_string() } else { key.to_owned() };
        if self.path.is_empty() { key } else { format!("{}.{key}", self.path) }
    }

    /// An error at this value.
    pub fn fail(&self, message: impl std::fmt::Display) -> ImportError {
        let place = if self.path.is_empty() { String::new() } else { format!("`{}`: ", self.path) };
        ImportError::new(self.file, format!("{place}{message}"))
    }

    fn wrong(&self, expected: &str) -> ImportError {
        let shown: String = self.value.to_string().chars().take(SHOWN_LIMIT).collect();
        self.fail(format!("{} is no {expected}", shown.escape_debug()))
    }

    /// The value under a key; `None` if it is not there or null.
    pub fn get(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key).filter(|value| !value.is_null())?;
        Some(Self { file: self.file, path: self.path_of(key), value })
    }

    /// The value under a key that must be there.
    ///
    /// # Errors
    /// If it is not.
    pub fn need(&self, key: &str) -> Result<Self, ImportError> {
        self.get(key).ok_or_else(|| ImportError::new(self.file, format!("key `{}` is missing", self.path_of(key))))
    }

    /// The number: finite, also one that stands in quotes.
    ///
    /// # Errors
    /// If it is none.
    pub fn number(&self) -> Result<f64, ImportError> {
        let number = match self.value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => super::number::finite(text),
            _ => None,
        };
        number.filter(|number| number.is_finite()).ok_or_else(|| self.wrong("number"))
    }

    /// The whole number, not negative.
    ///
    /// # Errors
    /// If it is none.
    pub fn count(&self) -> Result<u64, ImportError> {
        let count = match self.value {
            Value::Number(number) => number.as_u64().or_else(|| {
                number.as_f64().filter(|n| n.fract() == 0.0 && (0.0..1.8e19).contains(n)).map(|n| n as u64)
            }),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        count.ok_or_else(|| self.wrong("whole number"))
    }

    /// The text.
    ///
    /// # Errors
    /// If it is none.
    pub fn text(&self) -> Result<&'a str, ImportError> {
        self.value.as_str().ok_or_else(|| self.wrong("text"))
    }

    /// The truth value, also one that stands in quotes.
    ///
    /// # Errors
    /// If it is none.
    pub fn flag(&self) -> Result<bool, ImportError> {
        let flag = match self.value {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => super::number::flag(text),
            _ => None,
        };
        flag.ok_or_else(|| self.wrong("truth value"))
    }

    /// The entries of the list.
    ///
    /// # Errors
    /// If it is none.
    pub fn items(&self) -> Result<impl Iterator<Item = Self> + use<'a>, ImportError> {
        let items = self.value.as_array().ok_or_else(|| self.wrong("list"))?;
        let (file, path) = (self.file, self.path.clone());
        let node = move |(index, value)| Self { file, path: format!("{path}[{index}]"), value };
        Ok(items.iter().enumerate().map(node))
    }

    /// The keys and values of the object.
    ///
    /// # Errors
    /// If it is none.
    pub fn entries(&self) -> Result<impl Iterator<Item = (&'a str, Self)> + use<'a>, ImportError> {
        let entries = self.value.as_object().ok_or_else(|| self.wrong("object"))?;
        let parent = self.clone();
        Ok(entries
            .iter()
            .map(move |(key, value)| (key.as_str(), Self { file: parent.file, path: parent.path_of(key), value })))
    }

    /// The number under a key; `None` if it is not there.
    ///
    /// # Errors
    /// If it is there and no number.
    pub fn number_of(&self, key: &str) -> Result<Option<f64>, ImportError> {
        self.get(key).map(|node| node.number()).transpose()
    }

    /// The text under a key; `None` if it is not there. A number is its text.
    ///
    /// # Errors
    /// If it is there and neither.
    pub fn text_of(&self, key: &str) -> Result<Option<String>, ImportError> {
        let Some(node) = self.get(key) else { return Ok(None) };
        match node.value {
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Bool(flag) => Ok(Some(flag.to_string())),
            _ => node.text().map(|text| Some(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> SourceFile {
        SourceFile { name: "x.json".to_owned(), bytes: text.as_bytes().to_vec() }
    }
    fn refused(text: &str) -> String {
        parse(&file(text)).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_json_is_said_with_its_line() {
        assert!(refused("{\n\"a\": NaN}").starts_with("x.json:2: column "), "{}", refused("{\n\"a\": NaN}"));
        assert!(refused("{\n\"a\": NaN}").contains("no NaN"));
        assert!(refused("{\"a\": [1,\n2").contains("x.json:2:") && refused("{\"a\": [1,\n2").contains("cut off"));
        assert!(refused(&"[".repeat(100_000)).contains("nested more than 128 deep"));
        assert!(refused("1e999").contains("number out of range"));
        assert!(refused(&"{},".repeat(2_000_000)).contains("1 GiB"));
        assert!(refused("").contains("cut off"));
    }

    #[test]
    fn errors_name_the_path() {
        let value = parse(&file(r#"{"a": [{"b": "x", "n": "7", "no": null}]}"#)).unwrap();
        let root = Node::root("x.json", &value);
        let item = root.need("a").unwrap().items().unwrap().next().unwrap();
        assert_eq!(
            item.need("b").unwrap().number().unwrap_err().to_string(),
            "x.json: `a[0].b`: \\\"x\\\" is no number"
        );
        assert_eq!(item.need("no").unwrap_err().to_string(), "x.json: key `a[0].no` is missing");
        assert_eq!(item.number_of("n"), Ok(Some(7.0)));
        assert_eq!(item.need("n").unwrap().count(), Ok(7));
        assert!(root.items().is_err());
    }
}
