//! Delimited text (RFC 4180 and its relatives) by column name: every error names file, line and column.

use super::{ImportError, ParsedSample, SourceFile, number, text};
use std::borrow::Cow;

/// What can stand between fields.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// No table has more columns.
const COLUMNS_LIMIT: usize = 2_000;
/// How much of a wrong field an error shows, in characters.
const SHOWN_LIMIT: usize = 60;

/// A table with a header, read row by row.
#[derive(Debug)]
pub struct Table<'a> {
    file: &'a str,
    header: Vec<String>,
    records: Records<'a>,
}

/// One row.
#[derive(Debug)]
pub struct Row<'t, 'a> {
    table: &'t Table<'a>,
    /// The line it begins on, from 1.
    pub line: u64,
    fields: Vec<Cow<'a, str>>,
}

impl<'a> Table<'a> {
    /// Reads the header. Without a delimiter the one is taken that stands most often in it.
    ///
    /// # Errors
    /// If the file is no text, has no header, or names a column twice.
    pub fn open(file: &'a SourceFile, delimiter: Option<u8>) -> Result<Self, ImportError> {
        Self::of_text(&file.name, 1, text::utf8(file)?, delimiter)
    }

    /// As [`Table::open`], of a text that begins at a line of a file.
    ///
    /// # Errors
    /// As [`Table::open`].
    pub fn of_text(file: &'a str, line: u64, text: &'a str, delimiter: Option<u8>) -> Result<Self, ImportError> {
        let delimiter = delimiter.unwrap_or_else(|| detect(text));
        let mut records = Records { file, rest: text, line, delimiter };
        let (line, fields) =
            records.next().ok_or_else(|| ImportError::new(file, "it is empty: a header is needed"))??;
        let header: Vec<String> = fields.iter().map(|field| field.trim().to_owned()).collect();
        if header.len() > COLUMNS_LIMIT {
            return Err(ImportError::at(file, line, format!("more than {COLUMNS_LIMIT} columns")));
        }
        if header.iter().all(|name| number::finite(name).is_some()) {
            return Err(ImportError::at(file, line, "the first line holds only numbers: a header is needed"));
        }
        let mut sorted: Vec<&str> = header.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        sorted.sort_unstable();
        if let Some(twice) = sorted.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ImportError::at(file, line, format!("column {} is named twice", shown(twice[0]))));
        }
        Ok(Self { file, header, records })
    }

    /// The names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The place of a column, if there is one of this name.
    pub fn find(&self, name: &str) -> Option<usize> {
        self.header.iter().position(|column| column == name)
    }

    /// The place of a column that must be there.
    ///
    /// # Errors
    /// If it is not, with the columns that are.
    pub fn need(&self, name: &str) -> Result<usize, ImportError> {
        self.find(name).ok_or_else(|| {
            let known: Vec<String> = self.header.iter().take(40).map(|name| shown(name)).collect();
            ImportError::at(self.file, 1, format!("no column {}; there are {}", shown(name), known.join(", ")))
        })
    }

    /// The next row; `None` at the end.
    ///
    /// # Errors
    /// If it has another number of fields than the header, or a quote that is not closed.
    pub fn next_row(&mut self) -> Result<Option<Row<'_, 'a>>, ImportError> {
        let Some(record) = self.records.next() else { return Ok(None) };
        let (line, fields) = record?;
        if fields.len() != self.header.len() {
            let (found, wanted) = (fields.len(), self.header.len());
            let hint = if self.records.rest.is_empty() && found < wanted { ": the file was cut off" } else { "" };
            let message = format!("{found} fields, and the header has {wanted}{hint}");
            return Err(ImportError::at(self.file, line, message));
        }
        Ok(Some(Row { table: self, line, fields }))
    }
}

impl Row<'_, '_> {
    /// The text of a field, trimmed.
    pub fn text(&self, column: usize) -> &str {
        self.fields.get(column).map_or("", |field| field.trim())
    }

    /// The number in a field; `None` if it is empty.
    ///
    /// # Errors
    /// If it is neither empty nor a finite number.
    pub fn number(&self, column: usize) -> Result<Option<f64>, ImportError> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        number::finite(text).map(Some).ok_or_else(|| self.fail(column, "a number"))
    }

    /// Gives a sample the number in a field, converted; an empty field gives it nothing.
    ///
    /// # Errors
    /// As [`Row::number`].
    pub fn put(&self, sample: &mut ParsedSample, column: usize, metric: &str, factor: f64) -> Result<(), ImportError> {
        if let Some(value) = self.number(column)? {
            sample.set(metric, value * factor);
        }
        Ok(())
    }

    /// The truth value in a field; `None` if it is empty.
    ///
    /// # Errors
    /// If it is neither empty nor a truth value.
    pub fn flag(&self, column: usize) -> Result<Option<bool>, ImportError> {
        let text = self.text(column);
        if text.is_empty() {
            return Ok(None);
        }
        number::flag(text).map(Some).ok_or_else(|| self.fail(column, "a truth value"))
    }

    /// The error of a field that is not what it should be.
    pub fn fail(&self, column: usize, expected: &str) -> ImportError {
        let name = self.table.header.get(column).map_or("", String::as_str);
        let message = format!("column {}: {} is not {expected}", shown(name), shown(self.text(column)));
        ImportError::at(self.table.file, self.line, message)
    }
}

fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_LIMIT).collect();
    format!("`{}`", cut.escape_debug())
}

/// The delimiter that stands most often in the first line, outside quotes; a comma where there is none.
fn detect(text: &str) -> u8 {
    let first = text.trim_start_matches(['\r', '\n']).lines().next().unwrap_or_default();
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut quoted = false;
    for byte in first.bytes() {
        quoted ^= byte == b'"';
        if let Some(place) = DELIMITERS.iter().position(|delimiter| !quoted && *delimiter == byte) {
            counts[place] += 1;
        }
    }
    let most = (0..DELIMITERS.len()).rev().max_by_key(|place| counts[*place]).unwrap_or(0);
    DELIMITERS[most]
}

/// The records of a text; blank lines are passed over.
#[derive(Debug)]
struct Records<'a> {
    file: &'a str,
    rest: &'a str,
    line: u64,
    delimiter: u8,
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<(u64, Vec<Cow<'a, str>>), ImportError>;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(rest) = self.rest.strip_prefix("\r\n").or_else(|| self.rest.strip_prefix('\n')) {
            self.rest = rest;
            self.line += 1;
        }
        if self.rest.is_empty() {
            return None;
        }
        let begin = self.line;
        let mut fields = Vec::new();
        loop {
            match self.field() {
                Ok((field, more)) => {
                    fields.push(field);
                    if !more || fields.len() > COLUMNS_LIMIT {
                        break;
                    }
                }
                Err(message) => {
                    self.rest = "";
                    return Some(Err(ImportError::at(self.file, begin, message)));
                }
            }
        }
        if fields.len() > COLUMNS_LIMIT {
            self.rest = "";
            return Some(Err(ImportError::at(self.file, begin, format!("more than {COLUMNS_LIMIT} fields"))));
        }
        Some(Ok((begin, fields)))
    }
}

impl<'a> Records<'a> {
    /// The next field of the record, and whether another one follows.
    fn field(&mut self) -> Result<(Cow<'a, str>, bool), String> {
        let field = if self.rest.starts_with('"') { self.quoted()? } else { Cow::Borrowed(self.plain()) };
        let mut bytes = self.rest.bytes();
        match bytes.next() {
            Some(byte) if byte == self.delimiter => {
                self.rest = &self.rest[1..];
                Ok((field, true))
            }
            Some(b'\r') if bytes.next().is_none_or(|byte| byte == b'\n') => {
                self.end_of_line(2);
                Ok((field, false))
            }
            Some(b'\n') => {
                self.end_of_line(1);
                Ok((field, false))
            }
            None => Ok((field, false)),
            Some(_) => Err("text follows a closing quote".to_owned()),
        }
    }

    fn end_of_line(&mut self, length: usize) {
        self.rest = self.rest.get(length..).unwrap_or_default();
        self.line += 1;
    }

    fn plain(&mut self) -> &'a str {
        let delimiter = self.delimiter;
        let end = self.rest.bytes().position(|byte| byte == delimiter || byte == b'\n').unwrap_or(self.rest.len());
        let mut field = &self.rest[..end];
        if !self.rest[end..].starts_with(char::from(delimiter)) {
            field = field.strip_suffix('\r').unwrap_or(field);
        }
        self.rest = &self.rest[field.len()..];
        field
    }

    fn quoted(&mut self) -> Result<Cow<'a, str>, String> {
        let inside = &self.rest[1..];
        let mut field = Cow::Borrowed("");
        let mut at = 0;
        loop {
            let Some(length) = inside[at..].find('"') else {
                return Err("a quote is not closed: the file was cut off, or the quote is stray".to_owned());
            };
            let piece = &inside[at..at + length];
            if field.is_empty() {
                field = Cow::Borrowed(piece);
            } else {
                field.to_mut().push_str(piece);
            }
            at += length + 1;
            if inside[at..].starts_with('"') {
                field.to_mut().push('"');
                at += 1;
            } else {
                break;
            }
        }
        self.line += field.bytes().filter(|byte| *byte == b'\n').count() as u64;
        self.rest = &inside[at..];
        Ok(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(text: &str) -> SourceFile {
        SourceFile { name: "x.csv".to_owned(), bytes: text.as_bytes().to_vec() }
    }

    fn rows(text: &str) -> Result<Vec<Vec<String>>, ImportError> {
        let file = file(text);
        let mut table = Table::open(&file, None)?;
        let mut rows = vec![table.header().to_vec()];
        while let Some(row) = table.next_row()? {
            rows.push((0..row.fields.len()).map(|column| row.fields[column].to_string()).collect());
        }
        Ok(rows)
    }

    #[test]
    fn tables_of_all_kinds_are_read() {
        assert_eq!(rows("a,b\n1,2\n").unwrap(), [["a", "b"], ["1", "2"]]);
        assert_eq!(rows("\u{feff}a;b\r\n\r\n1,5;\"x;\"\"y\nz\"\r\n").unwrap(), [["a", "b"], ["1,5", "x;\"y\nz"]]);
        assert_eq!(rows("a\tb\n\t").unwrap(), [["a", "b"], ["", ""]]);
        assert_eq!(rows("a|b\n1|2").unwrap(), [["a", "b"], ["1", "2"]]);
        assert_eq!(rows("a\n\"\"\n").unwrap(), [["a"], [""]]);
    }

    #[test]
    fn errors_name_line_and_column() {
        let message = |text: &str| rows(text).unwrap_err().to_string();
        assert_eq!(message(""), "x.csv: it is empty: a header is needed");
        assert_eq!(message("1,2\n"), "x.csv:1: the first line holds only numbers: a header is needed");
        assert_eq!(message("a,a\n"), "x.csv:1: column `a` is named twice");
        assert_eq!(message("a,b\n1,2\n3"), "x.csv:3: 1 fields, and the header has 2: the file was cut off");
        assert_eq!(message("a,b\n1,2,3\n1,2\n"), "x.csv:2: 3 fields, and the header has 2");
        assert!(message("a,b\n\"1,2\n3,4").starts_with("x.csv:2: a quote is not closed"));
        assert_eq!(message("a,b\n\"1\"x,2\n"), "x.csv:2: text follows a closing quote");
        let file = file("name,ms\n\nx,fast\n");
        let mut table = Table::open(&file, None).unwrap();
        assert_eq!(table.need("us").unwrap_err().to_string(), "x.csv:1: no column `us`; there are `name`, `ms`");
        let row = table.next_row().unwrap().unwrap();
        assert_eq!(row.number(1).unwrap_err().to_string(), "x.csv:3: column `ms`: `fast` is not a number");
    }

    proptest! {
        #[test]
        fn what_is_quoted_comes_back(cells in prop::collection::vec("[a-z,;\"\r\n ]{0,8}", 1..6)) {
            let quoted: Vec<String> = cells.iter().map(|cell| format!("\"{}\"", cell.replace('"', "\"\""))).collect();
            let header: Vec<String> = (0..cells.len()).map(|index| format!("c{index}")).collect();
            let text = format!("{}\n{}\n", header.join(","), quoted.join(","));
            prop_assert_eq!(&rows(&text).unwrap()[1], &cells);
        }

        #[test]
        fn no_text_panics_and_lines_are_within_it(text in "[a1,;\"\r\n\t|é]{0,40}") {
            if let Err(error) = rows(&text) {
                prop_assert!(error.line.is_none_or(|line| line <= 1 + text.matches('\n').count() as u64));
            }
        }
    }
}
