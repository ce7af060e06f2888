//! Bounds: `< 200 ms`, `> 1 GB/s`, `< +5 %`.

use crate::compare::{Direction, direction};
use crate::diagnostic::quoted;
use crate::gate::Figure;
use crate::unit::{QuantityError, parse_bytes, parse_duration_ns, unit_of_metric};

/// What is wrong and what to do.
type Problem = (String, String);

/// Which side of the bound is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// `<`: a ceiling.
    Below,
    /// `>`: a floor.
    Above,
}

/// A bound as written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Bound {
    pub side: Side,
    /// Whether `value` is a share by which the metric may get worse; else it is in the metric's unit.
    pub relative: bool,
    pub value: f64,
}

/// What a bound is of.
#[derive(Clone, Copy)]
pub(super) struct Holder<'a> {
    metric: &'a str,
    unit: &'static str,
    failures: bool,
}

impl<'a> Holder<'a> {
    pub(super) fn of(metric: &'a str, figure: Figure) -> Self {
        let failures = figure == Figure::FailureShare;
        Self { metric, unit: if failures { "ratio" } else { unit_of_metric(metric) }, failures }
    }

    /// A value in the right unit.
    pub(super) fn example(self) -> &'static str {
        match self.unit {
            "ns" => "200 ms",
            "B" => "64 MiB",
            "B/s" => "100 MB/s",
            "1/s" => "1000/s",
            "ratio" => "1 %",
            _ => "10",
        }
    }

    fn direction(self) -> Direction {
        if self.failures { Direction::LowerIsBetter } else { direction(self.metric) }
    }
}

/// Reads a limit. Relative bounds have a sign (`< +5 %`), absolute ones have none.
pub(super) fn read(key: &str, holder: Holder<'_>, text: &str) -> Result<Bound, Problem> {
    let text = text.trim();
    let (side, rest) = match side(text) {
        Some(found) => found,
        // "0 %" of failures has no other meaning than its own.
        None if holder.failures => (Side::Below, text),
        None => {
            let sign = if holder.direction() == Direction::LowerIsBetter { "<" } else { ">" };
            let shown: String = text.chars().take(40).collect();
            let message = format!("`{key}` does not say on which side of {} the budget holds", quoted(text));
            return Err((message, format!("write `{key} = \"{sign} {shown}\"`")));
        }
    };
    let rest = rest.trim();
    if holder.failures {
        if side == Side::Above {
            return Err(("`failures` has no floor".to_owned(), "write `failures = \"< 1 %\"`".to_owned()));
        }
        return Ok(Bound { side, relative: false, value: percent(key, rest, 1.0)? });
    }
    if rest.starts_with(['+', '-', '−']) {
        return relative(key, holder, side, rest);
    }
    if rest.ends_with('%') && holder.unit != "ratio" {
        let sign = if side == Side::Below { '+' } else { '-' };
        let message = format!("`{key}` is a share without a sign: {}", quoted(text));
        return Err((message, format!("a relative limit has one: `{} {sign}{rest}`", mark(side))));
    }
    Ok(Bound { side, relative: false, value: quantity(key, holder, rest)? })
}

/// Reads the bound of a grade: as a limit, but the sign may be left out.
pub(super) fn read_grade(key: &str, metric: &str, text: &str) -> Result<Bound, Problem> {
    let holder = Holder::of(metric, Figure::Max);
    let by_metric = if holder.direction() == Direction::LowerIsBetter { Side::Below } else { Side::Above };
    let (side, rest) = side(text.trim()).unwrap_or((by_metric, text.trim()));
    Ok(Bound { side, relative: false, value: quantity(key, holder, rest.trim())? })
}

fn side(text: &str) -> Option<(Side, &str)> {
    [("<=", Side::Below), ("≤", Side::Below), ("<", Side::Below), (">=", Side::Above), ("≥", Side::Above)]
        .into_iter()
        .chain([(">", Side::Above)])
        .find_map(|(mark, side)| Some((side, text.strip_prefix(mark)?)))
}

fn mark(side: Side) -> char {
    if side == Side::Below { '<' } else { '>' }
}

/// `< +5 %` of a time: at most 5 % more. `> -5 %` of a rate: at most 5 % less. `< -10 %` demands a gain.
fn relative(key: &str, holder: Holder<'_>, side: Side, text: &str) -> Result<Bound, Problem> {
    let gains = text.starts_with('+');
    let share = percent(key, text.trim_start_matches(['+', '-', '−']).trim(), 10.0)?;
    let signed = if gains { share } else { -share };
    let (good, worse, example) = match holder.direction() {
        Direction::LowerIsBetter => (Side::Below, signed, "< +5 %"),
        Direction::HigherIsBetter => (Side::Above, -signed, "> -5 %"),
    };
    if side != good {
        let what = if good == Side::Below { "less" } else { "more" };
        let message = format!("of `{}` {what} is better: {} would forbid that", holder.metric, quoted(text));
        return Err((message, format!("write `{key} = \"{example}\"`")));
    }
    if worse <= -1.0 || (holder.direction() == Direction::HigherIsBetter && worse >= 1.0) {
        let message = format!("`{key}` asks for a change by {}", quoted(text));
        return Err((message, "nothing can fall by 100 %".to_owned()));
    }
    Ok(Bound { side, relative: true, value: worse })
}

/// `5 %` as 0.05, at most `most`.
fn percent(key: &str, text: &str, most: f64) -> Result<f64, Problem> {
    let wrong = |message: String| (message, "write a share in percent, such as `5 %`".to_owned());
    let Some(number) = text.strip_suffix('%') else {
        return Err(wrong(format!("`{key}` needs a share in percent, not {}", quoted(text))));
    };
    let share = decimal(number).ok_or_else(|| wrong(format!("{} is not a share in percent", quoted(text))))? / 100.0;
    if share > most {
        return Err((
            format!("`{key}` is {}, out of range", quoted(text)),
            format!("write at most {} %", most * 100.0),
        ));
    }
    Ok(share)
}

/// A plain decimal number that is not negative.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.len() <= 20
        && text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '_');
    text.replace('_', "").parse::<f64>().ok().filter(|number| plain && number.is_finite())
}

fn quantity(key: &str, holder: Holder<'_>, text: &str) -> Result<f64, Problem> {
    let example = format!("write it as `{}`", holder.example());
    let needs = |what: &str| (format!("`{key}` needs {what}, not {}", quoted(text)), example.clone());
    let parsed = match holder.unit {
        "ns" => parse_duration_ns(text).map(|ns| ns as f64),
        "B" => parse_bytes(text).map(|bytes| bytes as f64),
        "B/s" => match text.strip_suffix("/s") {
            Some(bytes) => parse_bytes(bytes).map(|bytes| bytes as f64),
            None => return Err(needs("an amount of memory per second")),
        },
        "1/s" => return text.strip_suffix("/s").and_then(decimal).ok_or_else(|| needs("a number per second")),
        "ratio" => return percent(key, text, 1e6),
        _ => return decimal(text).ok_or_else(|| needs("a number")),
    };
    parsed.map_err(|error| match error {
        QuantityError::NoUnit(_) => {
            (format!("`{key}` has no unit: {} is a bare number", quoted(text)), example.clone())
        }
        QuantityError::UnknownUnit { unit, kind } => (
            format!("`{key}` of `{}` needs a unit of {kind}, and {} is none", holder.metric, quoted(&unit)),
            example.clone(),
        ),
        QuantityError::BadNumber(_) => (format!("{} is not a quantity", quoted(text)), example.clone()),
    })
}
