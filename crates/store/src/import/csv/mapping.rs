//! The mapping language: which column is what.
//!
//! ```text
//! mapping = entry { "," entry }
//! entry   = target "=" source
//! target  = METRIC | "cell" | "cell." KEY | "backend" | "accuracy" | "ok" | "failure" | "at" | "round" | "warmup"
//!         | "delimiter" | "title" | "tool"
//! source  = "col:" NAME [ ("*" | "/") NUMBER | ("==" | "!=") WORD ]  |  "text:" WORDS  |  "file"
//! ```
//!
//! A name or word in double quotes may hold anything. The same in TOML: one key a target, its source as text, or a list
//! of sources for `cell`.

mod entry;

pub(super) use entry::backend;

use entry::{check, delimiter, no_text, shown, split, words};

/// The longest mapping, in bytes.
const LENGTH_LIMIT: usize = 64 << 10;
/// The most entries of a mapping.
const PARTS_LIMIT: usize = 200;

/// Why a mapping is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct MappingError(String);

/// Which column is what.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mapping {
    pub(super) parts: Vec<Part>,
    pub(super) delimiter: Option<u8>,
    pub(super) title: Option<String>,
    pub(super) tool: Option<String>,
}

/// One entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part {
    pub target: Target,
    pub source: Source,
}

/// What a value is for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// A metric by its name with unit.
    Metric(String),
    /// A factor of the cell; without a key, the column's name is it.
    Cell(Option<String>),
    /// The backend.
    Backend,
    /// The accuracy class.
    Accuracy,
    /// Whether the sample is valid.
    Ok,
    /// The class or the words of a failure, used where the sample is not valid.
    Failure,
    /// When it began: a time of the clock, or with a factor the time since the first.
    At,
    /// Its round.
    Round,
    /// Whether it is a warm-up.
    Warmup,
}

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// A column, times a factor, or compared with a word (`true`: equal, `false`: not equal).
    Column { column: String, factor: Option<f64>, equals: Option<(bool, String)> },
    /// The same words for all.
    Text(String),
    /// The name of the file.
    File,
}

impl Source {
    pub(super) fn column(column: String) -> Self {
        Self::Column { column, factor: None, equals: None }
    }
}

impl Mapping {
    /// Reads a mapping from one line, as `--map` takes it.
    ///
    /// # Errors
    /// With the entry that is wrong and how it should be.
    pub fn parse(text: &str) -> Result<Self, MappingError> {
        let mut mapping = Self::default();
        mapping.extend(text)?;
        mapping.checked()
    }

    /// Reads several texts as one mapping (`--map` more than once).
    ///
    /// # Errors
    /// As [`Mapping::parse`].
    pub fn parse_all<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, MappingError> {
        let mut mapping = Self::default();
        for text in texts {
            mapping.extend(text)?;
        }
        mapping.checked()
    }

    /// Reads a mapping from TOML.
    ///
    /// # Errors
    /// With the key that is wrong; or the line, if it is no TOML.
    pub fn parse_toml(text: &str) -> Result<Self, MappingError> {
        if text.len() > LENGTH_LIMIT {
            return Err(MappingError(format!("a mapping is at most {LENGTH_LIMIT} bytes long")));
        }
        let table: toml::Table = text.parse().map_err(|error: toml::de::Error| MappingError(error.to_string()))?;
        let mut mapping = Self::default();
        for (key, value) in &table {
            match value {
                toml::Value::String(source) => mapping.entry(key, source)?,
                toml::Value::Array(sources) => {
                    for source in sources {
                        let source = source.as_str().ok_or_else(|| no_text(key))?;
                        mapping.entry(key, source)?;
                    }
                }
                toml::Value::Table(inner) if key == "cell" => {
                    for (name, source) in inner {
                        let source = source.as_str().ok_or_else(|| no_text(name))?;
                        mapping.entry(&format!("cell.{name}"), source)?;
                    }
                }
                _ => return Err(no_text(key)),
            }
        }
        mapping.checked()
    }

    fn extend(&mut self, text: &str) -> Result<(), MappingError> {
        if text.len() > LENGTH_LIMIT {
            return Err(MappingError(format!("a mapping is at most {LENGTH_LIMIT} bytes long")));
        }
        for entry in split(text, ',') {
            if entry.trim().is_empty() {
                continue;
            }
            let (target, source) = entry.split_once('=').ok_or_else(|| {
                MappingError(format!(
                    "{}: an entry is TARGET=SOURCE, such as total_ns=col:duration_ms*1e6",
                    shown(entry)
                ))
            })?;
            self.entry(target.trim(), source.trim())?;
        }
        Ok(())
    }

    fn entry(&mut self, target: &str, source: &str) -> Result<(), MappingError> {
        if self.parts.len() >= PARTS_LIMIT {
            return Err(MappingError(format!("a mapping has at most {PARTS_LIMIT} entries")));
        }
        match target {
            "delimiter" => self.delimiter = Some(delimiter(source)?),
            "title" => self.title = Some(words(source)),
            "tool" => self.tool = Some(words(source)),
            _ => {
                let part = Part { target: entry::target(target)?, source: entry::source(source)? };
                check(&part, target)?;
                self.parts.push(part);
            }
        }
        Ok(())
    }

    fn checked(self) -> Result<Self, MappingError> {
        let mut metrics: Vec<&str> = Vec::new();
        for part in &self.parts {
            if let Target::Metric(name) = &part.target {
                if metrics.contains(&name.as_str()) {
                    return Err(MappingError(format!("{} is mapped twice", shown(name))));
                }
                metrics.push(name);
            }
        }
        if metrics.is_empty() {
            return Err(MappingError("no metric is mapped: add one, such as total_ns=col:duration_ms*1e6".to_owned()));
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_language_is_read() {
        let mapping = Mapping::parse(
            "total_ns=col:duration_ms*1e6, cell=col:name,cell.size=col:\"a, b*c\",ok=col:status==200,at=col:time,\
             x_bytes=col:n/2,backend=text:qemu,delimiter=semicolon,title=a run",
        )
        .unwrap();
        assert_eq!(mapping.delimiter, Some(b';'));
        assert_eq!(mapping.title.as_deref(), Some("a run"));
        let column = |column: &str, factor, equals| Source::Column { column: column.to_owned(), factor, equals };
        let expected = [
            (Target::Metric("total_ns".to_owned()), column("duration_ms", Some(1e6), None)),
            (Target::Cell(None), column("name", None, None)),
            (Target::Cell(Some("size".to_owned())), column("a, b*c", None, None)),
            (Target::Ok, column("status", None, Some((true, "200".to_owned())))),
            (Target::At, column("time", None, None)),
            (Target::Metric("x_bytes".to_owned()), column("n", Some(0.5), None)),
            (Target::Backend, Source::Text("qemu".to_owned())),
        ];
        assert_eq!(mapping.parts, expected.map(|(target, source)| Part { target, source }));
    }

    #[test]
    fn toml_says_the_same() {
        let toml = "total_ns = \"col:ms*1e6\"\ncell = [\"col:name\"]\nok = \"col:ok\"\n";
        let line = "cell=col:name,ok=col:ok,total_ns=col:ms*1e6";
        assert_eq!(Mapping::parse_toml(toml).unwrap(), Mapping::parse(line).unwrap());
        let nested = "total_ns = \"col:ms\"\n[cell]\nsize = \"col:s\"\n";
        assert_eq!(Mapping::parse_toml(nested).unwrap(), Mapping::parse("cell.size=col:s,total_ns=col:ms").unwrap());
    }

    #[test]
    fn what_is_wrong_is_said_with_the_way_out() {
        let message = |text: &str| Mapping::parse(text).unwrap_err().to_string();
        assert!(message("total_ns").contains("TARGET=SOURCE"));
        assert!(message("total=col:x").contains("`total` is no target") && message("total=col:x").contains("_ns"));
        assert!(message("total_ns=x").contains("col:NAME"));
        assert!(message("total_ns=col:x*fast").contains("no number"));
        assert!(message("total_ns=col:x*0").contains("no number"));
        assert!(message("total_ns=col:a,total_ns=col:b").contains("twice"));
        assert!(message("cell=col:x").contains("no metric"));
        assert!(message("total_ns=col:").contains("needs a name"));
        assert!(message("total_ns=text:5").contains("needs a column"));
        assert!(message("total_ns=col:x,cell=text:x").contains("cell.KEY"));
        assert!(message("total_ns=col:x,accuracy=text:good").contains("kvm"));
        assert!(Mapping::parse_toml("total_ns = 5").unwrap_err().to_string().contains("a source is a text"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z_:=,\"*/!.0-9 ]{0,60}") {
            let _ = (Mapping::parse(&text), Mapping::parse_toml(&text));
        }
    }
}
