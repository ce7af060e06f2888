//! From the command line to what is to be run: a new run, or one to go on with.

use crate::arguments::RunOptions;
use crate::commands::plans;
use crate::exit::{Exit, Trouble};
use crate::paths;
use isodyne_core::plan::Plan;
use isodyne_core::record::RunRecord;
use isodyne_core::sample::Sample;
use isodyne_core::schedule::Shard;
use isodyne_store::RunDirectory;
use std::path::PathBuf;

/// What is to be run.
pub struct Target {
    /// The plan.
    pub plan: Plan,
    /// The run's name.
    pub run_id: String,
    /// The seed of the order.
    pub seed: u64,
    /// The part of the plan's cells that is measured; all of them without.
    pub shard: Option<Shard>,
    /// The run directory.
    pub out: PathBuf,
    /// The run to go on with.
    pub resumed: Option<Resumed>,
}

/// A run that is gone on with.
pub struct Resumed {
    /// Locked.
    pub directory: RunDirectory,
    /// What the run set out to do.
    pub record: RunRecord,
    /// What it has.
    pub samples: Vec<Sample>,
}

impl Target {
    /// The number of this invocation within the run, from 0.
    pub fn session(&self) -> u32 {
        let samples = self.resumed.as_ref().map_or(&[][..], |resumed| &resumed.samples);
        // A session that took no sample leaves no trace, so the process id keeps the names of two such apart.
        match self.resumed {
            None => 0,
            Some(_) => samples.iter().map(|sample| sample.session + 1).max().unwrap_or(1),
        }
    }
}

/// Resolves the command line.
pub fn target(options: &RunOptions) -> Result<Target, Trouble> {
    if options.resume { resumed(options) } else { fresh(options) }
}

fn fresh(options: &RunOptions) -> Result<Target, Trouble> {
    let Some(what) = &options.what else {
        return Err(Trouble::usage("nothing to run", "name a benchmark or a plan: isodyne run boot --on process,runc"));
    };
    let plan = plans::load(what, options)?;
    let run_id = fresh_run_id();
    let name = plans::short_name(what);
    let out = options.out.clone().unwrap_or_else(|| {
        let now = jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S").to_string();
        isodyne_store::default_location(&paths::runs(), &name, &run_id, &now)
    });
    let seed = plan.seed.unwrap_or_else(|| fresh_random() >> 32);
    Ok(Target { plan, run_id, seed, shard: options.shard, out, resumed: None })
}

fn resumed(options: &RunOptions) -> Result<Target, Trouble> {
    let Some(out) = options.out.clone() else {
        return Err(Trouble::usage("--resume needs --out", "name the run directory: isodyne run --resume --out DIR"));
    };
    let (directory, contents) = RunDirectory::open_for_resume(&out).map_err(Trouble::unexpected)?;
    let record = contents.record;
    if !record.merged_from.is_empty() {
        return Err(Trouble::usage(
            format!("the run in {} was put together by `isodyne merge`", out.display()),
            "go on with its parts, and merge them again",
        ));
    }
    let shard: Option<Shard> = record.shard.as_ref().and_then(|shard| shard.parse().ok());
    if options.shard.is_some() && options.shard != shard {
        let own = record.shard.as_deref().unwrap_or("the whole plan");
        return Err(Trouble::usage(
            format!(
                "the run in {} is {own}, not shard {}",
                out.display(),
                options.shard.map_or_else(String::new, |shard| shard.to_string())
            ),
            "leave --shard out to go on with it",
        ));
    }
    if let Some(what) = &options.what {
        let asked = plans::load(what, options)?;
        if asked.cells() != record.plan.cells()
            || (asked.samples, asked.warmup) != (record.plan.samples, record.plan.warmup)
            || asked.stop != record.plan.stop
        {
            return Err(Trouble::new(
                Exit::PlanInvalid,
                format!("the run in {} was begun with another plan", out.display()),
                "leave the plan out to go on with it: isodyne run --resume --out DIR",
            ));
        }
    }
    Ok(Target {
        plan: record.plan.clone(),
        run_id: record.run_id.clone(),
        seed: record.seed,
        shard,
        out,
        resumed: Some(Resumed { directory, record, samples: contents.samples }),
    })
}

/// A random name for a run.
pub fn fresh_run_id() -> String {
    format!("{:08x}", fresh_random() as u32)
}

/// Randomness for names and seeds, from the system.
pub fn fresh_random() -> u64 {
    let mut bytes = [0_u8; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(8) => u64::from_ne_bytes(bytes),
        // A kernel without it has no other source that is better than its clock and the process id.
        _ => (jiff::Timestamp::now().as_nanosecond() as u64).rotate_left(17) ^ u64::from(std::process::id()),
    }
}
