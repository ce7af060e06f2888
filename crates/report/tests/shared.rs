//! Figures of shared memory: what they show, what they leave out and say so, and that they stay small.

#[path = "specimen/pages.rs"]
#[expect(dead_code, reason = "pages that only other tests show")]
mod pages;
#[path = "specimen/shared.rs"]
mod shared;
#[path = "specimen/mod.rs"]
mod specimen;

use isodyne_core::cell::{Cell, CellId};
use isodyne_core::sample::Sample;
use isodyne_core::streams::RunStreams;
use isodyne_report::{Figure, Paint, RunView, figure_files, figures, html};
use shared::shared;
use std::collections::BTreeMap;

const NAMES: [&str; 8] = [
    "shm-ecdf",
    "shm-percentiles",
    "shm-histogram",
    "shm-time",
    "shm-bandwidth",
    "shm-rates",
    "shm-phases",
    "shm-cores",
];

fn with_shared<T>(samples: u64, show: impl Fn(RunView<'_>) -> T) -> T {
    let (run, streams) = shared(samples);
    pages::with_view(&run, |view| show(RunView { streams: Some(&streams), ..view }))
}

fn figure(samples: u64, name: &str) -> Figure {
    let all = with_shared(samples, |view| figures(view, Paint::Themed));
    all.into_iter().find(|figure| figure.name == name).unwrap()
}

/// The medians of the phases of a cell's frames, by name.
fn medians(streams: &RunStreams, cell: &CellId) -> BTreeMap<String, u64> {
    let frames = streams.cells.get(cell).map(|cell| &cell.frames);
    frames.into_iter().flatten().filter_map(|(name, found)| Some((name.clone(), found.quantile(0.5)?))).collect()
}

fn names(figures: &[Figure]) -> Vec<&str> {
    figures.iter().map(|figure| figure.name.as_str()).filter(|name| name.starts_with("shm-")).collect()
}

#[test]
fn every_figure_is_there_well_formed_and_as_a_file() {
    let files = with_shared(3, |view| figure_files(view).unwrap());
    for name in NAMES {
        for ending in ["svg", "png"] {
            assert!(files.iter().any(|(file, _)| *file == format!("{name}.{ending}")), "{name}.{ending}");
        }
    }
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".svg")) {
        let text = std::str::from_utf8(bytes).unwrap();
        let document = roxmltree::Document::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert!(!text.contains("NaN") && !text.contains("inf"), "{name}");
        // What stands in the drawing has a place in it.
        let height: f64 = document.root_element().attribute("height").unwrap().parse().unwrap();
        assert!(height > 100.0 && bytes.len() < 200_000, "{name}: {height}, {} bytes", bytes.len());
    }
    assert_eq!(with_shared(3, |view| names(&figures(view, Paint::Fixed)).join(" ")), NAMES.join(" "));
}

#[test]
fn quantiles_and_counts_are_those_of_all_logs_together() {
    let page = figure(3, "shm-percentiles").standalone();
    // Three samples of 20,000 trips: 0.1 % of 60,000 carries p99.9, and of 750 messages only p99.
    assert!(page.contains(">60000</text>") && page.contains(">3 samples</text>"), "{page}");
    let words: Vec<&str> = page.split("</text>").filter_map(|part| part.rsplit('>').next()).collect();
    let beside = words.iter().position(|word| word.ends_with("(two-phase beside)")).unwrap();
    assert_eq!((words[beside + 1], words[beside + 5]), ("750", "–"), "{words:?}");
    assert!(words.contains(&"99.99 %") && words.contains(&"10 ms"), "{words:?}");
}

#[test]
fn phases_are_the_medians_of_all_frames() {
    let ((record, _), streams) = shared(3);
    let medians = medians(&streams, &record.cells[1].id);
    assert_eq!(medians["notify_ns"], 66);
    let page = figure(3, "shm-phases").standalone();
    // 15 frames of 1 MiB; the copy takes 131,115 ns and a twentieth of it for each frame.
    assert!(page.contains("n = 15 frames of 1 MiB"), "{page}");
    assert!(page.contains(">below resolution</text>"), "66 ns are less than 20 steps of 10 ns");
    assert!(page.contains(&format!(">{}</text>", isodyne_core::unit::DisplayNs(medians["copy_in_ns"] as f64))));
}

#[test]
fn the_ceilings_are_drawn_where_they_are_known() {
    let known = figure(1, "shm-bandwidth");
    let page = known.standalone();
    for label in ["L1 85.7 GiB/s", "L2 38.2 GiB/s", "L3 13 GiB/s", "memory 8.85 GiB/s", ">23.7 MiB<", ">64 B<"] {
        assert!(page.contains(label), "{label}");
    }
    let ((mut record, samples), _) = shared(1);
    record.calibration = None;
    let figures = pages::with_view(&(record, samples), |view| figures(view, Paint::Themed));
    let without = figures.iter().find(|figure| figure.name == "shm-bandwidth").unwrap();
    assert!(without.explanation.contains("no calibration") && !without.standalone().contains("L1 "));
}

#[test]
fn pairs_of_processors_have_a_box_each() {
    let page = figure(2, "shm-cores").standalone();
    assert!(page.contains("6 pairs, n = 2 samples each"), "{page}");
    // The nearest pair and the farthest, in words on their boxes.
    assert!(page.contains(">311 ns<") && page.contains(">561 ns<"), "{page}");
}

#[test]
fn without_logs_only_what_needs_them_is_missing_and_that_is_said() {
    let (run, _) = shared(2);
    let streams = RunStreams {
        notes: vec!["2 latency logs cannot be read and are in no figure: <b>".to_owned()],
        ..RunStreams::default()
    };
    let page = pages::with_view(&run, |view| html(RunView { streams: Some(&streams), ..view }));
    assert!(page.contains("<li class=\"warning\">2 latency logs cannot be read and are in no figure: &lt;b&gt;</li>"));
    let all = pages::with_view(&run, |view| figures(RunView { streams: Some(&streams), ..view }, Paint::Themed));
    assert_eq!(names(&all), ["shm-bandwidth", "shm-rates", "shm-cores"]);
    // And nobody else has such figures.
    let other = pages::with_view(&specimen::specimen(3), |view| figures(view, Paint::Themed));
    assert!(names(&other).is_empty());
}

#[test]
fn a_log_that_is_missing_is_in_the_counts() {
    let (run, streams) = shared(3);
    let mut fewer = shared(2).1;
    fewer.notes = streams.notes;
    let page = pages::with_view(&run, |view| html(RunView { streams: Some(&fewer), ..view }));
    assert!(page.contains("2 of 3 samples"));
}

/// As many cells as a plan with every way to wait and every device has, messages in two phases beside each.
#[test]
fn a_page_of_many_cells_stays_small() {
    let ((mut record, samples), mut streams) = shared(10);
    let (template, twin) = (record.cells[3].clone(), samples);
    let own: Vec<_> = twin.iter().filter(|sample| sample.cell == template.id).cloned().collect();
    let found = streams.cells[&template.id].clone();
    let mut samples = twin;
    for place in 0..24 {
        let variant = format!("variant {place}");
        let id = template.id.of_variant(&variant);
        samples.extend(own.iter().cloned().map(|sample| Sample {
            cell: id.clone(),
            sequence: sample.sequence + 1_000 * (place + 1),
            ..sample
        }));
        streams.cells.insert(id.clone(), found.clone());
        record.cells.push(Cell { id, variant: Some(variant), ..template.clone() });
    }
    let run = (record, samples);
    let page = pages::with_view(&run, |view| html(RunView { streams: Some(&streams), ..view }));
    assert!(page.len() < 2_000_000, "{}", page.len());
    assert!(page.contains(" 48 of 53 are drawn; "), "what is not drawn is said");
}

#[test]
fn a_page_of_many_samples_stays_small() {
    let page = with_shared(40, html);
    assert!(page.len() < 2_000_000, "{}", page.len());
    let document = page.split("<main>").nth(1).unwrap();
    assert!(document.contains("id=\"shm-time\"") && !document.contains("<script"));
}

#[test]
fn the_percentiles_as_svg() {
    insta::assert_snapshot!(figure(1, "shm-percentiles").standalone());
}
