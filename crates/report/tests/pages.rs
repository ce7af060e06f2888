//! The pages beyond a single run, and what stands beside numbers that lie.

#[path = "specimen/pages.rs"]
mod pages;
#[path = "specimen/mod.rs"]
mod specimen;

use isodyne_core::record::RunRecord;
use isodyne_core::sample::{Provenance, Sample};
use isodyne_core::trend::Trend;
use isodyne_report::{
    Paint, SCRIPTED, Style, comparison_figure_files, comparison_figures, comparison_html, figure_files, figures, html,
    run_table, trend_figure_files, trend_figures, trend_html,
};

const ATTACK: &str = "\"><script>alert(1)</script><img src=x onerror=alert(2)>&]]>\u{1b}]0;owned\u{7}\u{202e}";
const LIMIT: usize = 2_000_000;

fn refs(trends: &[Trend]) -> Vec<&Trend> {
    trends.iter().collect()
}

fn names(files: Vec<(String, Vec<u8>)>) -> Vec<String> {
    assert!(files.iter().all(|(name, bytes)| match name.rsplit_once('.') {
        Some((_, "svg")) => roxmltree::Document::parse(std::str::from_utf8(bytes).unwrap()).is_ok(),
        _ => bytes.starts_with(b"\x89PNG"),
    }));
    files.into_iter().map(|(name, _)| name).collect()
}

/// The specimen as if it had been measured.
fn measured() -> (RunRecord, Vec<Sample>) {
    let (record, mut samples) = specimen::specimen(20);
    samples.iter_mut().for_each(|sample| sample.provenance = Provenance::Measured);
    (record, samples)
}

/// The same with a virtual machine that starts in 0.2 ms, which none can.
fn lying() -> (RunRecord, Vec<Sample>) {
    let (record, mut samples) = measured();
    for sample in samples.iter_mut().filter(|sample| sample.cell.as_str() == "boot/qemu[machine=microvm]") {
        sample.metrics.entry("total_ns".to_owned()).and_modify(|value| *value /= 18_500.0);
    }
    (record, samples)
}

#[test]
fn a_void_number_is_struck_out_and_leads_to_its_finding() {
    let page = pages::with_view(&lying(), html);
    let result = page.split("id=\"result-boot\"").nth(1).unwrap();
    let row = result.split("<tr").find(|row| row.contains("qemu microvm")).unwrap();
    assert!(row.contains("<s class=\"void\">") && row.contains("✕ void</a>"), "{row}");
    let target = row.split("href=\"#").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let finding = page.split(&format!("<li id=\"{target}\"")).nth(1).unwrap();
    assert!(finding.split("</li>").next().unwrap().contains("beyond-physics"), "{finding}");
    // Those that do not lie stand as they are, and the answer leaves out the one that does.
    let other = result.split("<tr").find(|row| row.contains("qemu q35")).unwrap();
    assert!(!other.contains("<s class"), "{other}");
    let answer = page.split("class=\"answer\">").nth(1).and_then(|rest| rest.split("</p>").next()).unwrap();
    assert!(answer.contains("qemu microvm is void, says the auditor"), "{answer}");
    let drawn = pages::with_view(&lying(), |view| figures(view, Paint::Themed).remove(0).standalone());
    assert!(drawn.contains("✕ void: qemu microvm"));
}

#[test]
fn a_void_number_is_struck_out_in_comparisons_too() {
    let page = pages::with_comparison(&measured(), &lying(), comparison_html);
    assert!(page.contains("<s class=\"void\">") && page.contains("href=\"#finding-candidate-"));
    assert!(page.contains("What the auditor says of the baseline") && page.contains("rests on a number that is void"));
}

#[test]
fn kept_states_stand_side_by_side_on_the_terminal_and_in_the_report() {
    let (record, mut samples) = measured();
    for sample in &mut samples {
        let kept = [
            ("cold_ns", 2e9),
            ("restore_ns", 1e8),
            ("clone_p50_ns", 3e8),
            ("durable_ns", 5e8),
            ("break_even_count", 1.0),
            ("clones_same_random_count", 1.0),
            ("clones_same_name_count", 0.0),
        ];
        sample.metrics.extend(kept.map(|(name, value)| (name.to_owned(), value)));
    }
    let run = (record, samples);
    let page = pages::with_view(&run, html);
    let terminal = pages::with_view(&run, |view| run_table(view, Style { color: false, width: 120 }));
    for text in [
        "ide by side: the cold boot",
        "pays after",
        "hat keeping takes",
        "hat clones of one state",
        "the same",
        "differs",
    ] {
        assert!(page.contains(text) && terminal.contains(text), "{text}");
    }
    assert!(!page.contains("<h2>side by side"), "a heading begins with a capital");
    // Nothing of it where nothing was kept.
    assert!(!pages::with_view(&measured(), html).contains("ide by side"));
}

#[test]
fn variants_are_compared_in_the_report_of_their_run() {
    let run = pages::with_variants(20);
    let page = pages::with_view(&run, html);
    for text in
        ["Variants, against base", "▲ worse", "Paired differences", "Phases that moved", "slower by 6 %", SCRIPTED]
    {
        assert!(page.contains(text), "{text}");
    }
    let all = names(pages::with_view(&run, figure_files).unwrap());
    for name in ["pairs.svg", "pairs.png", "moved.svg", "moved.png", "ecdf.svg", "timeline.png"] {
        assert!(all.iter().any(|found| found == name), "{name} in {all:?}");
    }
    insta::assert_snapshot!(pages::with_view(&pages::with_variants(8), |view| {
        figures(view, Paint::Themed).into_iter().find(|figure| figure.name == "pairs").unwrap().standalone()
    }));
}

#[test]
fn two_runs_have_a_page_of_their_own() {
    let (before, after) = (specimen::specimen(30), pages::later(30, 0.3));
    let page = pages::with_comparison(&before, &after, comparison_html);
    for text in ["comparison of two runs", "not interleaved", "▲ worse", "distribution-1", "id=\"moved\"", SCRIPTED] {
        assert!(page.contains(text), "{text}");
    }
    assert!(!page.contains("id=\"pairs\""), "separate runs have no pairs");
    let all = names(pages::with_comparison(&before, &after, |view| comparison_figure_files(view).unwrap()));
    assert!(all.contains(&"distribution-6.png".to_owned()) && all.contains(&"moved.svg".to_owned()), "{all:?}");
}

#[test]
fn a_run_compared_with_itself_has_not_become_worse() {
    let run = specimen::specimen(30);
    let page = pages::with_comparison(&run, &run, comparison_html);
    assert!(!page.contains("▲ worse") && !page.contains("✓ better"));
}

#[test]
fn a_trend_marks_its_changes_with_letters() {
    let trends = pages::trends(60);
    assert_eq!(trends[0].change_points.len(), 2);
    let page = trend_html(&refs(&trends));
    for text in [">A</b>", ">B</b>", "A +9.0 %", "runc 1.1.5", "no change of level is found", SCRIPTED] {
        assert!(page.contains(text), "{text}");
    }
    assert_eq!(
        names(trend_figure_files(&refs(&trends)).unwrap()),
        ["trend-1.svg", "trend-2.svg", "trend-1.png", "trend-2.png"]
    );
    insta::assert_snapshot!(trend_figures(&refs(&pages::trends(20)), Paint::Themed)[0].standalone());
}

#[test]
fn large_pages_stay_under_two_megabytes() {
    let (before, after) = (specimen::specimen(1_700), pages::later(1_700, 0.02));
    let comparison = pages::with_comparison(&before, &after, comparison_html);
    assert!(comparison.len() < LIMIT, "comparison: {}", comparison.len());
    let variants = pages::with_view(&pages::with_variants(2_500), html);
    assert!(variants.len() < LIMIT, "variants: {}", variants.len());
    let mut trends = pages::trends(60);
    for trend in &mut trends {
        trend.points = trend.points.iter().cycle().take(10_000).cloned().collect();
    }
    let trend = trend_html(&refs(&trends));
    assert!(trend.len() < LIMIT, "trend: {}", trend.len());
}

#[test]
fn hostile_text_is_no_markup_on_any_page() {
    let (mut record, samples) = specimen::specimen(8);
    record.plan.title = ATTACK.to_owned();
    record.fingerprint.os = Some(ATTACK.to_owned());
    let mut texts = vec![pages::with_comparison(&(record, samples), &pages::later(8, 0.1), |view| {
        let mut comparison = view.comparison.clone();
        comparison.warnings.push(ATTACK.to_owned());
        comparison.unmatched.push(ATTACK.to_owned());
        for cell in &mut comparison.cells {
            cell.words = ATTACK.to_owned();
            cell.incomparable = vec![ATTACK.to_owned()];
            cell.phases.iter_mut().for_each(|phase| phase.phase = ATTACK.to_owned());
            cell.metrics.iter_mut().skip(1).for_each(|metric| metric.metric = ATTACK.to_owned());
        }
        let view = isodyne_report::ComparisonView { comparison: &comparison, ..*view };
        let drawn: String =
            comparison_figures(&view, Paint::Themed).iter().map(isodyne_report::Figure::standalone).collect();
        comparison_html(&view) + &drawn
    })];
    let mut trends = pages::trends(30);
    for trend in &mut trends {
        (trend.metric, trend.cell, trend.host.line) = (ATTACK.to_owned(), ATTACK.to_owned(), ATTACK.to_owned());
        for point in &mut trend.points {
            (point.run_id, point.created_at) = (ATTACK.to_owned(), ATTACK.to_owned());
            point.tools = vec![ATTACK.to_owned()];
        }
        for change in &mut trend.change_points {
            (change.run_id, change.created_at) = (ATTACK.to_owned(), ATTACK.to_owned());
            change.changed = vec![ATTACK.to_owned()];
        }
    }
    texts.push(trend_html(&refs(&trends)));
    for text in &texts {
        assert!(!text.contains("<script") && !text.contains("<img") && !text.contains('\u{1b}'));
        // In a text or an attribute it is escaped with its quotes.
        assert!(!text.contains("src=\""), "something is fetched");
    }
    names(trend_figure_files(&refs(&trends)).unwrap());
}

#[test]
fn what_is_not_there_breaks_nothing() {
    let empty = (specimen::specimen(8).0, Vec::new());
    assert!(pages::with_view(&empty, html).contains("id=\"findings\""));
    assert!(trend_html(&[]).contains("No change of level was found in 0 trends"));
    let one = pages::trends(1);
    assert!(trend_html(&refs(&one)).contains("too few runs"));
    let mut none = pages::trends(1);
    none[0].points.clear();
    assert!(trend_html(&refs(&none)).contains("no runs"));
}
