//! The legend of curves: letter, line, how many times, quantiles.

use super::stream::{Streams, short};
use crate::escape::shorten;
use crate::figure::drawing::{Anchor, Drawing, Words};
use crate::figure::ink::Ink;
use crate::value::NONE;

const LINE: f64 = 17.0;
const LABEL: f64 = 62.0;
/// Where the numbers end.
const COLUMNS: [f64; 6] = [390.0, 490.0, 556.0, 622.0, 690.0, 758.0];

/// Ends the panel of the curves at `top`, and draws a legend below, a part for each stream.
pub(super) fn legend(drawing: &mut Drawing, streams: &Streams<'_>, step: Option<u64>, top: f64) {
    let quiet = |anchor| Words::new(Ink::Muted, anchor);
    drawing.words((LABEL, top + 12.0), quiet(Anchor::Start), "cell");
    for (at, heading) in COLUMNS.into_iter().zip(["n", "from", "p50", "p99", "p99.9", "max"]) {
        drawing.words((at, top + 12.0), quiet(Anchor::End), heading);
    }
    drawing.panel(None, top + 16.0);
    for stream in &streams.shown {
        let (at, ink) = (LINE - 4.0, Ink::Series(stream.cell));
        let words = |anchor| Words::new(if stream.void { Ink::Bad } else { Ink::Text }, anchor);
        drawing.words((8.0, at), words(Anchor::Start).bold(), &stream.letter);
        drawing.line((30.0, at - 4.0), (54.0, at - 4.0), ink, 2.2, Ink::dash(stream.dash));
        drawing.words((LABEL, at), words(Anchor::Start), &shorten(&stream.said(), 44));
        let quantile = |q| stream.quantile(q).map_or_else(|| NONE.to_owned(), |ns| short(ns, step));
        let most = stream.latencies.histogram.max().unwrap_or(0) as f64;
        let values = [
            stream.n().to_string(),
            stream.said_samples(),
            quantile(0.5),
            quantile(0.99),
            quantile(0.999),
            short(most, step),
        ];
        for (at_x, value) in COLUMNS.into_iter().zip(values) {
            drawing.words((at_x, at), words(Anchor::End), &value);
        }
        if stream.void {
            drawing.line((COLUMNS[1] + 6.0, at - 4.0), (COLUMNS[5], at - 4.0), Ink::Bad, 1.2, "");
        }
        drawing.panel(Some(stream.cell), LINE);
    }
}
