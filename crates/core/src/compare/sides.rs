//! The two sides of a comparison: which values belong together, and how far apart they are.

use super::Design;
use crate::columns::CellColumns;
use crate::stats::{
    Estimate, Sorted, apparent_inflation, mann_whitney_p_of_sorted, normal_cdf, normal_quantile,
    rank_sum_shift_of_sorted, signed_rank_p, signed_rank_shift, signed_rank_shift_widened,
};

/// The confidence of the interval that a standard error is read from.
const LOCATED_AT: f64 = 0.95;

/// Which rows of two cells belong together.
pub(crate) struct Pairing {
    /// Rows of the same round that both count, in the order of the rounds.
    pub rows: Vec<(usize, usize)>,
    /// Rounds in which only one side has a sample that counts.
    pub incomplete: u64,
}

impl Pairing {
    /// Pairs by round.
    pub fn of(baseline: &CellColumns, candidate: &CellColumns) -> Self {
        let by_round = |cell: &CellColumns| {
            let mut rows: Vec<(u32, usize)> = cell.valid().map(|row| (cell.rows[row].round, row)).collect();
            rows.sort_unstable();
            // A round has one sample of a cell; a foreign file may hold more, of which the last is taken.
            rows.dedup_by(|later, earlier| {
                let same = later.0 == earlier.0;
                if same {
                    earlier.1 = later.1;
                }
                same
            });
            rows
        };
        let (one, other) = (by_round(baseline), by_round(candidate));
        let (mut left, mut right, mut rows) = (0, 0, Vec::with_capacity(one.len().min(other.len())));
        while let (Some((round, row)), Some((other_round, other_row))) = (one.get(left), other.get(right)) {
            if round == other_round {
                rows.push((*row, *other_row));
            }
            left += usize::from(round <= other_round);
            right += usize::from(other_round <= round);
        }
        let incomplete = (one.len() + other.len() - 2 * rows.len()) as u64;
        Self { rows, incomplete }
    }
}

/// How a difference becomes a relative change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scale {
    /// Differences are logarithms of candidate over baseline.
    Log,
    /// Differences are in the values' own unit; the change is relative to this median of the baseline. For values that
    /// are not all positive.
    Share(f64),
    /// Differences are in the values' own unit, and stay so.
    Plain,
}

impl Scale {
    /// A difference as a relative change (0.05 is +5 %).
    pub fn change(self, difference: f64) -> f64 {
        match self {
            Self::Log => difference.exp_m1(),
            Self::Share(median) => difference / median,
            Self::Plain => difference,
        }
    }

    /// A relative change as a difference. `None` for a change that no positive value can have.
    pub fn difference(self, change: f64) -> Option<f64> {
        match self {
            Self::Log => (change > -1.0).then(|| change.ln_1p()),
            Self::Share(median) => Some(change * median),
            Self::Plain => Some(change),
        }
    }
}

/// The values of both sides.
#[derive(Clone, Debug)]
pub(crate) struct Sides {
    pub design: Design,
    /// In time order; with the same index in `candidate` for pairs.
    pub baseline: Vec<f64>,
    pub candidate: Vec<f64>,
    pub scale: Scale,
    /// The same, sorted once for all that wants them so. Not finite values leave it empty.
    sorted: [Sorted; 2],
    /// How much larger the variance of the change is than that of independent pairs or values; 1 or more.
    ///
    /// Differences of pairs taken in random order are not correlated in time under "no change", whatever the host does:
    /// the order gives each a random sign. Where they look correlated, a side drifts by itself, or the change is not the
    /// same all the time. Of separate runs it is the greater of the two sides'.
    pub inflation: f64,
    /// Differences of pairs on the scale, in time order; empty for separate runs.
    differences: Vec<f64>,
}

impl Sides {
    /// Pairs of two columns. `None` for no pair, or where no relative change means anything (a median of 0).
    pub fn paired(pairing: &Pairing, baseline: &[f64], candidate: &[f64]) -> Option<Self> {
        let pairs =
            pairing.rows.iter().filter_map(|(one, other)| Some((*baseline.get(*one)?, *candidate.get(*other)?)));
        let (baseline, candidate): (Vec<f64>, Vec<f64>) =
            pairs.filter(|(one, other)| one.is_finite() && other.is_finite()).unzip();
        let scale = relative_scale(&baseline, &candidate)?;
        Some(Self::new(Design::Paired, baseline, candidate, scale))
    }

    /// The values of two separate runs.
    pub fn separate(baseline: Vec<f64>, candidate: Vec<f64>) -> Option<Self> {
        let scale = relative_scale(&baseline, &candidate)?;
        Some(Self::new(Design::Separate, baseline, candidate, scale))
    }

    /// The same values, their differences taken in their own unit.
    pub fn in_own_unit(&self) -> Self {
        let scale = Scale::Plain;
        Self { scale, differences: differences(self.design, scale, &self.baseline, &self.candidate), ..self.clone() }
    }

    /// Pairs in their own unit, for phases: a phase may be 0 long.
    pub fn plain(
        pairing: Option<&Pairing>,
        baseline: &CellColumns,
        candidate: &CellColumns,
        columns: [&[f64]; 2],
    ) -> Self {
        let (design, one, other) = match pairing {
            Some(pairing) => {
                let pairs = pairing.rows.iter().map(|(one, other)| (columns[0][*one], columns[1][*other]));
                let (one, other) = pairs.filter(|(one, other)| one.is_finite() && other.is_finite()).unzip();
                (Design::Paired, one, other)
            }
            None => (Design::Separate, baseline.counting(columns[0]), candidate.counting(columns[1])),
        };
        Self::new(design, one, other, Scale::Plain)
    }

    fn new(design: Design, baseline: Vec<f64>, candidate: Vec<f64>, scale: Scale) -> Self {
        let differences = differences(design, scale, &baseline, &candidate);
        // Of pairs only medians want them so; phases do not.
        let sort = |values: &[f64]| match (design, scale) {
            (Design::Paired, Scale::Plain) => Sorted::default(),
            _ => Sorted::new(values.iter().copied()).unwrap_or_default(),
        };
        let sorted = [sort(&baseline), sort(&candidate)];
        let inflation = match design {
            Design::Paired => median_inflation(&differences, apparent_inflation),
            Design::Separate => {
                let of = |values: &[f64]| median_inflation(values, crate::stats::inflation);
                of(&baseline).max(of(&candidate))
            }
        };
        Self { design, baseline, candidate, scale, sorted, inflation, differences }
    }

    /// Pairs, or the smaller number of values.
    pub fn n(&self) -> usize {
        self.baseline.len().min(self.candidate.len())
    }

    /// The Hodges–Lehmann shift on the scale, with its interval. `None` where n cannot carry it.
    pub fn shift(&self, confidence: f64) -> Option<Estimate> {
        match self.design {
            Design::Paired => signed_rank_shift_widened(&self.differences, confidence, self.inflation),
            Design::Separate => {
                let [one, other] = &self.sorted;
                match self.scale {
                    Scale::Log => {
                        let [one, other] = [one, other].map(|side| side.on_scale(f64::ln));
                        rank_sum_shift_of_sorted(&one?, &other?, confidence, self.inflation)
                    }
                    _ => rank_sum_shift_of_sorted(one, other, confidence, self.inflation),
                }
            }
        }
    }

    /// The two-sided p-value of "no change".
    ///
    /// Of correlated differences it is the larger of two. One is the exact one of their signed ranks, which holds for any
    /// correlation that the two of a pair share. The other is that of the shift over its standard error, as the interval
    /// of independent differences tells it, times the root of the inflation: it holds where each side drifts by itself.
    /// (Signed ranks alone cannot say more than that all differences have one sign, however large they are.)
    pub fn p_value(&self) -> Option<f64> {
        match self.design {
            Design::Paired => {
                let exact = signed_rank_p(&self.differences)?;
                if self.inflation <= 1.0 {
                    return Some(exact);
                }
                let located = signed_rank_shift(&self.differences, LOCATED_AT).map_or(1.0, |shift| {
                    let error = (shift.high - shift.low) / (2.0 * normal_quantile(f64::midpoint(1.0, LOCATED_AT)));
                    2.0 * normal_cdf(-shift.value.abs() / (error * self.inflation.sqrt()))
                });
                // Differences that are all equal have no error, and differ surely or not at all.
                Some(if located.is_nan() { exact } else { exact.max(located) })
            }
            Design::Separate => {
                let p = mann_whitney_p_of_sorted(&self.sorted[0], &self.sorted[1])?;
                Some((2.0 * deflated(p / 2.0, self.inflation)).min(1.0))
            }
        }
    }

    /// Values on the scale.
    pub fn on_scale(&self, values: &[f64]) -> Vec<f64> {
        match self.scale {
            Scale::Log => values.iter().map(|value| value.ln()).collect(),
            _ => values.to_vec(),
        }
    }

    /// The quantiles of both sides (type 7), the baseline's first. Not of phases.
    pub fn quantiles(&self, q: f64) -> Option<[f64; 2]> {
        Some([self.sorted[0].quantile(q)?, self.sorted[1].quantile(q)?])
    }
}

/// The differences of pairs on the scale, in time order; empty for separate runs.
fn differences(design: Design, scale: Scale, baseline: &[f64], candidate: &[f64]) -> Vec<f64> {
    let pairs = baseline.iter().zip(candidate);
    match (design, scale) {
        (Design::Separate, _) => Vec::new(),
        (_, Scale::Log) => pairs.map(|(one, other)| (other / one).ln()).collect(),
        _ => pairs.map(|(one, other)| other - one).collect(),
    }
}

/// Logarithms where all values are positive; else differences over the baseline's median.
fn relative_scale(baseline: &[f64], candidate: &[f64]) -> Option<Scale> {
    if baseline.is_empty() || candidate.is_empty() {
        return None;
    }
    if baseline.iter().chain(candidate).all(|value| *value > 0.0) {
        return Some(Scale::Log);
    }
    let median = median(baseline)?;
    (median > 0.0).then_some(Scale::Share(median))
}

/// The median, type 7.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    Sorted::new(values.iter().copied())?.quantile(0.5)
}

fn median_inflation(values: &[f64], of: impl Fn(&[f64], &Sorted, f64) -> f64) -> f64 {
    Sorted::new(values.iter().copied()).map_or(1.0, |sorted| of(values, &sorted, 0.5))
}

/// A one-sided p-value with its normal score over the root of the inflation: as if there were as few values as are worth
/// independent ones.
pub(crate) fn deflated(p: f64, inflation: f64) -> f64 {
    if inflation <= 1.0 { p } else { normal_cdf(normal_quantile(p) / inflation.sqrt()) }
}
