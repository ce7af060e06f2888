//! A line as this program writes it, read without building a sample.
//!
//! Only the form that [`crate::RunDirectory`] writes is read here: these keys in this order, no white space, no escapes.
//! Whatever is not exactly that is `None` and goes to the full parser, which also says what is wrong with it. So this
//! module may refuse anything, and must accept nothing that the full parser refuses or reads otherwise.

use super::fields::{CONTAMINATION, Fields};
use super::number::{float, whole};
use crate::check::is_inside;
use isodyne_core::columns::Row;
use isodyne_core::ledger::{Ledger, Milestone, MilestoneName, SignalName};
use isodyne_core::sample::{Accuracy, Provenance};

/// What is used again for every line.
#[derive(Default)]
pub(super) struct Scratch<'a> {
    metrics: Vec<(&'a str, f64)>,
    ledger: Ledger,
}

/// Reads a line; `None` if it is not of the usual form.
pub(super) fn read<'a, 'b>(line: &'a [u8], scratch: &'b mut Scratch<'a>) -> Option<Fields<'b>>
where
    'a: 'b,
{
    let mut text = Text { line, at: 0 };
    text.eat(b"{\"cell\":")?;
    let cell = text.string()?;
    text.eat(b",\"sequence\":")?;
    let sequence = text.whole()?;
    text.eat(b",\"round\":")?;
    let round = u32::try_from(text.whole()?).ok()?;
    text.eat(b",\"warmup\":")?;
    let warmup = text.truth()?;
    text.eat(b",\"started_at\":")?;
    text.string()?;
    text.eat(b",\"started_ns\":")?;
    let started_ns = text.whole()?;
    text.eat(b",\"session\":")?;
    let session = u32::try_from(text.whole()?).ok()?;
    text.eat(b",\"provenance\":")?;
    let provenance: Provenance = text.string()?.parse().ok()?;
    text.eat(b",\"accuracy\":")?;
    let accuracy: Accuracy = text.string()?.parse().ok()?;
    // A failed sample has its failure here: it is rare, and goes the long way.
    text.eat(b",\"ledger\":{\"milestones\":[")?;
    milestones(&mut text, &mut scratch.ledger)?;
    text.eat(b"},\"metrics\":{")?;
    metrics(&mut text, &mut scratch.metrics)?;
    text.eat(b",\"contamination\":{")?;
    let mut contamination = [f64::NAN; CONTAMINATION.len()];
    for (value, name) in contamination.iter_mut().zip(CONTAMINATION) {
        text.eat(b"\"")?;
        text.eat(name.as_bytes())?;
        text.eat(b"\":")?;
        *value = match text.null() {
            true => f64::NAN,
            false if name == "load_1min" => text.float()?,
            false => text.whole()? as f64,
        };
        text.eat(b",")?;
    }
    text.eat(b"\"page_cache\":")?;
    let page_cache = if text.null() { None } else { Some(text.string()?) };
    text.eat(b"}")?;
    let proved = text.eat(b",\"proofs\":[").is_some() && text.strings(|_| true)? > 0;
    if text.eat(b",\"logs\":[").is_some() {
        text.strings(is_inside)?;
    }
    text.eat(b"}")?;
    (text.at == line.len()).then_some(())?;
    let row = Row { sequence, started_ns, round, session, warmup, failure: None, accuracy, provenance };
    Some(Fields {
        cell,
        row,
        failure: None,
        metrics: &scratch.metrics,
        contamination,
        page_cache,
        proved,
        ledger: &scratch.ledger,
    })
}

/// The list of milestones, from behind its bracket.
fn milestones(text: &mut Text<'_>, ledger: &mut Ledger) -> Option<()> {
    ledger.milestones.clear();
    if text.eat(b"]").is_some() {
        return Some(());
    }
    loop {
        text.eat(b"{\"name\":")?;
        let name = named(text.string()?, MilestoneName::ALL, MilestoneName::as_str)?;
        text.eat(b",\"at_ns\":")?;
        let at_ns = text.whole()?;
        let asked_ns = if text.eat(b",\"asked_ns\":").is_some() { Some(text.whole()?) } else { None };
        text.eat(b",\"signal\":")?;
        let signal = named(text.string()?, SignalName::ALL, SignalName::as_str)?;
        text.eat(b"}")?;
        ledger.milestones.push(Milestone { name, at_ns, asked_ns, signal });
        if text.eat(b",").is_none() {
            return text.eat(b"]");
        }
    }
}

/// The object of metrics, from behind its brace.
fn metrics<'a>(text: &mut Text<'a>, metrics: &mut Vec<(&'a str, f64)>) -> Option<()> {
    metrics.clear();
    if text.eat(b"}").is_some() {
        return Some(());
    }
    loop {
        let name = text.string()?;
        text.eat(b":")?;
        metrics.push((name, text.float()?));
        if text.eat(b",").is_none() {
            return text.eat(b"}");
        }
    }
}

/// The value of a name among those that users can write; another one goes the long way.
fn named<T: Copy>(name: &str, all: &[T], text: fn(T) -> &'static str) -> Option<T> {
    all.iter().copied().find(|known| text(*known) == name)
}

/// A place in a line.
struct Text<'a> {
    line: &'a [u8],
    at: usize,
}

impl<'a> Text<'a> {
    fn rest(&self) -> &'a [u8] {
        self.line.get(self.at..).unwrap_or_default()
    }

    /// Goes on behind what is expected.
    fn eat(&mut self, expected: &[u8]) -> Option<()> {
        self.rest().starts_with(expected).then(|| self.at += expected.len())
    }

    fn null(&mut self) -> bool {
        self.eat(b"null").is_some()
    }

    fn truth(&mut self) -> Option<bool> {
        match self.eat(b"true") {
            Some(()) => Some(true),
            None => self.eat(b"false").map(|()| false),
        }
    }

    /// A string in quotes without escapes.
    fn string(&mut self) -> Option<&'a str> {
        self.eat(b"\"")?;
        let rest = self.rest();
        let length = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20))?;
        (rest[length] == b'"').then_some(())?;
        self.at += length + 1;
        std::str::from_utf8(&rest[..length]).ok()
    }

    /// The strings of a list from behind its bracket: how many. Each must be `good`.
    fn strings(&mut self, good: impl Fn(&str) -> bool) -> Option<usize> {
        if self.eat(b"]").is_some() {
            return Some(0);
        }
        let mut count = 0;
        loop {
            good(self.string()?).then_some(())?;
            count += 1;
            if self.eat(b",").is_none() {
                return self.eat(b"]").map(|()| count);
            }
        }
    }

    fn whole(&mut self) -> Option<u64> {
        let (value, length) = whole(self.rest())?;
        self.at += length;
        Some(value)
    }

    fn float(&mut self) -> Option<f64> {
        let (value, length) = float(self.rest())?;
        self.at += length;
        Some(value)
    }
}
