//! "Where the time goes": a bar for each cell, cut in proportion to its phases.

use super::{Style, wrap_items};
use crate::prepared::ShownCell;
use crate::value::{BELOW, percent, time};
use isodyne_core::summary::PhaseSummary;

/// The lines for all cells that have phases.
pub(super) fn phase_lines(cells: &[&ShownCell<'_>], step: Option<u64>, style: Style) -> Vec<String> {
    let shown: Vec<&&ShownCell<'_>> = cells.iter().filter(|cell| !cell.summary.phases.is_empty()).collect();
    if shown.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![String::new(), format!("  {}", style.strong("where the time goes (median of each phase)"))];
    let label_width = shown.iter().map(|cell| cell.label.chars().count()).max().unwrap_or(0).min(28);
    let bar_width = style.columns().saturating_sub(label_width + 5).clamp(20, 110);
    for cell in shown {
        let phases = &cell.summary.phases;
        let (bar, unnamed) = bar(phases, bar_width, step);
        let label = crate::escape::shorten(&cell.label, label_width);
        lines.push(format!("  {label:<label_width$}  {bar}"));
        let sum: f64 = phases.iter().map(|phase| phase.p50_ns).sum();
        let rest: Vec<String> = unnamed
            .into_iter()
            .map(|phase| {
                let length = time(phase.p50_ns, step);
                let share = if sum > 0.0 && phase.name == "residue" && length != BELOW {
                    format!(" ({})", percent(phase.p50_ns / sum))
                } else {
                    String::new()
                };
                format!("{} {length}{share}", crate::escape::plain(&phase.name))
            })
            .collect();
        for line in wrap_items(&rest, " · ", bar_width) {
            lines.push(format!("  {:label_width$}  {}", "", style.quiet(&line)));
        }
    }
    lines
}

/// The bar, and the phases whose name and length found no room in it. The residue is always among those: it is
/// printed even where it is too short to be drawn.
fn bar(phases: &[PhaseSummary], width: usize, step: Option<u64>) -> (String, Vec<&PhaseSummary>) {
    let lengths: Vec<f64> = phases.iter().map(|phase| phase.p50_ns).collect();
    let mut out = String::new();
    let mut unnamed = Vec::new();
    for (phase, cells) in phases.iter().zip(apportion(&lengths, width)) {
        let phase_name = crate::escape::plain(&phase.name);
        let text = format!("{phase_name} {} ", time(phase.p50_ns, step));
        let full = text.chars().count() + 1;
        if cells > full && phase.name != "residue" {
            out.push('▏');
            out.push_str(&text);
            out.push_str(&"·".repeat(cells - full));
        } else {
            if cells > 0 {
                let name: String =
                    phase_name.chars().take(if cells > phase_name.chars().count() { cells - 1 } else { 0 }).collect();
                let filled = 1 + name.chars().count();
                out.push('▏');
                out.push_str(&name);
                out.push_str(&"·".repeat(cells - filled));
            }
            unnamed.push(phase);
        }
    }
    out.push('▏');
    (out, unnamed)
}

/// Shares `width` cells in proportion (largest remainders first), so that they add up to it.
fn apportion(lengths: &[f64], width: usize) -> Vec<usize> {
    let sum: f64 = lengths.iter().sum();
    if sum <= 0.0 {
        return vec![0; lengths.len()];
    }
    let exact: Vec<f64> = lengths.iter().map(|length| length / sum * width as f64).collect();
    let mut cells: Vec<usize> = exact.iter().map(|share| share.floor() as usize).collect();
    let mut order: Vec<usize> = (0..exact.len()).collect();
    order.sort_by(|a, b| exact[*b].fract().total_cmp(&exact[*a].fract()));
    let missing = width.saturating_sub(cells.iter().sum());
    for index in order.into_iter().take(missing) {
        cells[index] += 1;
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_a_bar_add_up() {
        assert_eq!(apportion(&[1.0, 1.0, 1.0], 10), [4, 3, 3]);
        assert_eq!(apportion(&[0.0, 5.0], 7), [0, 7]);
        assert_eq!(apportion(&[0.0], 7), [0]);
    }
}
