//! The plan as a tree of values that know where they stand, from TOML and from arguments alike.

use super::MAX_PLAN_BYTES;
use super::findings::{Findings, Place};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// The deepest nesting that means anything in a plan, with room for a good message.
const MAX_DEPTH: usize = 8;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) raw: Raw,
    pub(super) at: Place,
}

/// A value as written.
#[derive(Clone, Debug)]
pub(super) enum Raw {
    Text(String),
    /// A bare word of an argument (`--set KEY=WORD`): the key's kind decides what it is.
    Word(String),
    /// A whole number; `None` if it does not fit.
    Integer(Option<i128>),
    /// A number with a fraction, as written.
    Float(String),
    Flag(bool),
    Date,
    List(Vec<Node>),
    Section(Vec<Entry>),
    /// Something nested deeper than any plan is.
    TooDeep,
}

/// A key with its value.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Place,
    pub(super) node: Node,
}

impl Raw {
    /// What it is, for people.
    pub(super) fn noun(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Word(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Flag(_) => "`true` or `false`",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Section(_) => "a section",
            Self::TooDeep => "something nested too deeply",
        }
    }
}

/// Parses a whole plan. Syntax errors are all reported; then the tree is `None`.
pub(super) fn parse_document(text: &str, findings: &mut Findings<'_>) -> Option<Vec<Entry>> {
    if text.len() > MAX_PLAN_BYTES {
        let message = format!("the plan is {} bytes long, more than {MAX_PLAN_BYTES}", text.len());
        findings.add(&Place::Whole, "", message, Some("a plan is short: is this the right file?".to_owned()));
        return None;
    }
    let (table, errors) = DeTable::parse_recoverable(text);
    for error in &errors {
        let offset = error.span().map_or(text.len(), |span| span.start);
        let hint = syntax_hint(error.message(), text.get(offset..).unwrap_or_default());
        findings.add(&Place::Text(offset), "", format!("not valid TOML: {}", error.message()), hint);
    }
    errors.is_empty().then(|| entries(table.into_inner(), &|offset| Place::Text(offset), 0))
}

/// What to do about the slips that plans invite: quantities and names without quotes.
fn syntax_hint(message: &str, rest: &str) -> Option<String> {
    let word: String = rest.lines().next()?.split(['#', ',', ']']).next()?.trim().chars().take(40).collect();
    let sound = !word.is_empty() && !word.contains(['"', '\'', '=', '[']);
    (message.contains("must be quoted") && sound).then(|| format!("write it in quotes: `\"{word}\"`"))
}

/// Parses the value of an argument: TOML if it looks like it, else a bare word.
pub(super) fn parse_argument(text: &str, at: &Place, key: &str, findings: &mut Findings<'_>) -> Option<Node> {
    let text = text.trim();
    if text.len() > MAX_PLAN_BYTES || !text.starts_with(['[', '"', '\'', '{']) {
        return Some(Node { raw: Raw::Word(text.to_owned()), at: at.clone() });
    }
    let (value, errors) = DeValue::parse_recoverable(text);
    for error in &errors {
        findings.add(at, key, format!("not a valid TOML value: {}", error.message()), None);
    }
    errors.is_empty().then(|| node(value, &|_| at.clone(), 0))
}

fn entries(table: DeTable<'_>, place: &dyn Fn(usize) -> Place, depth: usize) -> Vec<Entry> {
    let mut pairs: Vec<(Spanned<DeString<'_>>, Spanned<DeValue<'_>>)> = table.into_iter().collect();
    // The parser sorts by key; a reader wants the order in which things are written.
    pairs.sort_by_key(|(key, _)| key.span().start);
    pairs
        .into_iter()
        .map(|(key, value)| Entry {
            at: place(key.span().start),
            key: key.into_inner().into_owned(),
            node: node(value, place, depth + 1),
        })
        .collect()
}

fn node(value: Spanned<DeValue<'_>>, place: &dyn Fn(usize) -> Place, depth: usize) -> Node {
    let at = place(value.span().start);
    let raw = match value.into_inner() {
        DeValue::String(text) => Raw::Text(text.into_owned()),
        DeValue::Integer(integer) => Raw::Integer(i128::from_str_radix(integer.as_str(), integer.radix()).ok()),
        DeValue::Float(float) => Raw::Float(float.as_str().to_owned()),
        DeValue::Boolean(flag) => Raw::Flag(flag),
        DeValue::Datetime(_) => Raw::Date,
        DeValue::Array(_) | DeValue::Table(_) if depth > MAX_DEPTH => Raw::TooDeep,
        DeValue::Array(items) => Raw::List(items.into_iter().map(|item| node(item, place, depth + 1)).collect()),
        DeValue::Table(table) => Raw::Section(entries(table, place, depth)),
    };
    Node { raw, at }
}

/// Sets the value at a path of keys; sections that are missing on the way are made.
///
/// A value that stands where a section is needed is replaced: what it was no longer matters.
pub(super) fn set(entries: &mut Vec<Entry>, path: &[&str], at: &Place, value: Node) {
    let Some((key, rest)) = path.split_first() else { return };
    let index = entries.iter().position(|entry| entry.key == *key).unwrap_or_else(|| {
        let node = Node { raw: Raw::Section(Vec::new()), at: at.clone() };
        entries.push(Entry { key: (*key).to_owned(), at: at.clone(), node });
        entries.len() - 1
    });
    let entry = &mut entries[index];
    if rest.is_empty() {
        (entry.node, entry.at) = (value, at.clone());
        return;
    }
    if !matches!(entry.node.raw, Raw::Section(_)) {
        (entry.node, entry.at) = (Node { raw: Raw::Section(Vec::new()), at: at.clone() }, at.clone());
    }
    if let Raw::Section(inner) = &mut entry.node.raw {
        set(inner, rest, at, value);
    }
}
