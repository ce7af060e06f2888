//! Writes everything that the report crate can draw of a made-up run into a directory, to be looked at.
//!
//! `cargo run -p isodyne-report --example specimen -- DIRECTORY [ROUNDS]`

#[path = "../tests/specimen/pages.rs"]
mod pages;
#[path = "../tests/specimen/mod.rs"]
mod specimen;

use isodyne_core::columns::RunColumns;
use isodyne_core::runner::Runner;
use isodyne_core::summary::summarise;
use isodyne_report::{
    RunView, Style, comparison_figure_files, comparison_html, csv_heading, csv_row, doctor_table, figure_files, html,
    markdown, run_table, summary_json, trend_figure_files, trend_html,
};
use std::error::Error;
use std::fs;
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("usage: specimen DIRECTORY [ROUNDS]")?);
    let rounds = arguments.next().map_or(Ok(20), |rounds| rounds.parse())?;
    let (record, samples) = specimen::specimen(rounds);
    let columns = RunColumns::of(&samples);
    let summary = summarise(&record, &columns);
    let view = RunView {
        record: &record,
        columns: &columns,
        summary: &summary,
        streams: None,
        location: Some("runs/specimen"),
        runner: Runner::ALONE,
    };
    fs::create_dir_all(&directory)?;
    let put = |name: &str, bytes: &[u8]| fs::write(directory.join(name), bytes);
    put("report.html", html(view).as_bytes())?;
    put("report.md", markdown(view).as_bytes())?;
    let rows: String = samples.iter().map(|sample| csv_row(&record, sample)).collect();
    put("samples.csv", (csv_heading() + &rows).as_bytes())?;
    put("summary.json", summary_json(&summary)?.as_bytes())?;
    for width in [80, 120] {
        let style = Style { color: false, width };
        put(&format!("run-{width}.txt"), run_table(view, style).as_bytes())?;
        let doctor = doctor_table(
            "0.1.0",
            &specimen::probed(),
            &specimen::fingerprint(),
            &[("limits", "calibrated 2 days ago")],
            style,
        );
        put(&format!("doctor-{width}.txt"), doctor.as_bytes())?;
    }
    let mut figures = figure_files(view)?;
    put("variants.html", pages::with_view(&pages::with_variants(rounds), html).as_bytes())?;
    let (before, after) = (specimen::specimen(rounds), pages::later(rounds, 0.06));
    put("comparison.html", pages::with_comparison(&before, &after, comparison_html).as_bytes())?;
    figures.extend(pages::with_comparison(&before, &after, comparison_figure_files)?);
    let trends = pages::trends(60);
    let trends: Vec<_> = trends.iter().collect();
    put("trend.html", trend_html(&trends).as_bytes())?;
    figures.extend(trend_figure_files(&trends)?);
    for (name, bytes) in figures {
        put(&name, &bytes)?;
    }
    Ok(())
}
