//! `isodyne calibrate`: this host's ceilings and floors, and the lab's own cost.

use crate::arguments::CalibrateOptions;
use crate::exit::{Exit, Trouble};
use crate::output::Output;
use crate::paths;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use isodyne_core::calibration::Calibration;
use isodyne_core::fingerprint::Fingerprint;
use isodyne_engine::calibrate::{FULL, Progress, QUICK};
use isodyne_engine::lab::{Lab, LabOptions};
use isodyne_report::{Style, calibration_table};
use isodyne_store::{load_calibration, save_calibration};
use std::io::IsTerminal;
use std::process::Command;

/// A calibration that is older says nothing any more: microcode, kernel settings and neighbours change unseen.
const MOST_DAYS: i64 = 30;

/// Measures, keeps and shows.
pub fn calibrate(options: &CalibrateOptions, output: &Output) -> Result<Exit, Trouble> {
    let cache = paths::cache();
    std::fs::create_dir_all(&cache)
        .map_err(|error| anyhow::Error::new(error).context(format!("cannot make {}", cache.display())))
        .map_err(Trouble::unexpected)?;
    let guardian = std::env::current_exe().ok().map(|program| {
        let mut command = Command::new(program);
        command.arg("guardian");
        command
    });
    let run_id = format!("{:08x}", std::process::id());
    let lab = Lab::open(LabOptions { run_id: &run_id, session: 0, logs: &cache, cache: &cache, guardian })
        .map_err(Trouble::unexpected)?;
    let bar = bar();
    let mut tell = |progress: Progress| {
        bar.set_length(u64::from(progress.of));
        bar.set_position(u64::from(progress.done));
        bar.set_message(progress.what);
        // Drawn here, between two measurements: nothing ticks by itself during one.
        bar.tick();
    };
    let now = jiff::Timestamp::now().to_string();
    let allowed = if options.quick { QUICK } else { FULL };
    let calibration = isodyne_engine::calibrate::calibrate(&lab, allowed, &now, &mut tell);
    bar.finish_and_clear();
    for survivor in lab.close() {
        output.warn(&format!("something survived: {survivor}"));
    }
    let path = save_calibration(&cache, &calibration).map_err(Trouble::unexpected)?;
    if options.json {
        output.json(&calibration)?;
    } else {
        let style = Style { color: output.color(), width: output.width() };
        output.data(&calibration_table(&calibration, style))?;
    }
    output.say(&format!("kept    {}", path.display()));
    Ok(Exit::Ok)
}

fn bar() -> ProgressBar {
    let target =
        if std::io::stderr().is_terminal() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let style = ProgressStyle::with_template("calibrating {bar:30} {msg}");
    let bar = ProgressBar::with_draw_target(Some(1), target);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("━╸─"));
    bar
}

/// The calibration of this host, or in words why there is none to use and how to get one.
pub fn state(host: &Fingerprint) -> Result<Calibration, String> {
    let how = "`isodyne calibrate` measures them in 10 s";
    match load_calibration(&paths::cache(), host) {
        Ok(Some(calibration)) => match days_since(&calibration.measured_at) {
            Some(days) if (-1..=MOST_DAYS).contains(&days) => Ok(calibration),
            Some(days) if days > MOST_DAYS => {
                Err(format!("measured {days} days ago, too long to be used; {how} again"))
            }
            _ => Err(format!("measured at a time that cannot be; {how} again")),
        },
        Ok(None) => Err(format!("not known; {how}")),
        Err(error) => Err(format!("not known ({error})")),
    }
}

fn days_since(time: &str) -> Option<i64> {
    let then: jiff::Timestamp = time.parse().ok()?;
    Some((jiff::Timestamp::now().as_second() - then.as_second()).div_euclid(86_400))
}
