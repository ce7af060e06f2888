//! CRIU's statistics: the images `stats-dump` and `stats-restore`, or what `crit decode` makes of them.

use super::json::{self, Node};
use super::parts::{Rounds, head, holds, sample};
use super::{ImportError, Parsed, SourceFile, text_factor};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::sample::Accuracy;
use isodyne_criu::image::{self, Kind};
use isodyne_criu::wire::{self, Value};

/// One field of CRIU's `images/stats.proto`: its name and number there, our metric, the factor to our unit. Times are
/// in microseconds.
struct Field {
    name: &'static str,
    number: u32,
    metric: &'static str,
    scale: f64,
}

const fn field(name: &'static str, number: u32, metric: &'static str, scale: f64) -> Field {
    Field { name, number, metric, scale }
}

/// `dump_stats_entry`.
const DUMP: &[Field] = &[
    field("freezing_time", 1, "freezing_ns", 1e3),
    field("frozen_time", 2, "frozen_ns", 1e3),
    field("memdump_time", 3, "memory_dump_ns", 1e3),
    field("memwrite_time", 4, "memory_write_ns", 1e3),
    field("pages_scanned", 5, "pages_scanned_count", 1.0),
    field("pages_skipped_parent", 6, "pages_skipped_parent_count", 1.0),
    field("pages_written", 7, "pages_written_count", 1.0),
    field("irmap_resolve", 8, "irmap_resolve_ns", 1e3),
    field("pages_lazy", 9, "pages_lazy_count", 1.0),
    field("page_pipes", 10, "page_pipes_count", 1.0),
    field("page_pipe_bufs", 11, "page_pipe_buffers_count", 1.0),
    field("shpages_scanned", 12, "shared_pages_scanned_count", 1.0),
    field("shpages_skipped_parent", 13, "shared_pages_skipped_parent_count", 1.0),
    field("shpages_written", 14, "shared_pages_written_count", 1.0),
];

/// `restore_stats_entry`.
const RESTORE: &[Field] = &[
    field("pages_compared", 1, "pages_compared_count", 1.0),
    field("pages_skipped_cow", 2, "pages_skipped_cow_count", 1.0),
    field("forking_time", 3, "forking_ns", 1e3),
    field("restore_time", 4, "restore_ns", 1e3),
    field("pages_restored", 5, "pages_restored_count", 1.0),
];

/// The entries of `stats_entry`: name, number, fields.
const ENTRIES: &[(&str, u32, &[Field])] = &[("dump", 1, DUMP), ("restore", 2, RESTORE)];

/// Whether these are some: other images of a checkpoint may lie beside them.
pub(super) fn recognise(files: &[SourceFile]) -> bool {
    files.iter().any(is_one)
}

fn is_one(file: &SourceFile) -> bool {
    image::entries(&file.bytes, Kind::Statistics).is_ok() || is_json(file)
}

fn is_json(file: &SourceFile) -> bool {
    let head = head(file);
    holds(head, "\"magic\"") && holds(head, "\"STATS\"") && holds(head, "\"entries\"")
}

/// Reads them; each file is one sample.
pub(super) fn parse(files: &[SourceFile]) -> Result<Parsed, ImportError> {
    let mut parsed = Parsed {
        format: "criu".to_owned(),
        tool: Some("criu".to_owned()),
        title: "checkpoints and restores by CRIU".to_owned(),
        ..Parsed::default()
    };
    parsed.fact("clock", "gettimeofday");
    parsed.remark("CRIU takes its times from the wall clock (gettimeofday), in microseconds of 32 bits");
    let mut rounds = Rounds::default();
    let several = files.len() > 1;
    for file in files.iter().filter(|file| !several || is_one(file)) {
        if is_json(file) {
            add_json(&mut parsed, file, &mut rounds)?;
        } else {
            add_image(&mut parsed, file, &mut rounds)?;
        }
    }
    Ok(parsed)
}

fn add_image(parsed: &mut Parsed, file: &SourceFile, rounds: &mut Rounds) -> Result<(), ImportError> {
    let fail = |message: String| ImportError::new(&file.name, message);
    let mut entries = image::entries(&file.bytes, Kind::Statistics)
        .map_err(|_| fail("it does not begin with the magic number of CRIU's statistics".to_owned()))?;
    let entry = entries.next().ok_or_else(|| fail("it has no entry".to_owned()))?;
    let entry = entry.map_err(|error| fail(error.to_string()))?;
    if !entries.rest().is_empty() {
        return Err(fail(format!("{} bytes follow its entry", entries.rest().len())));
    }
    for (number, value) in fields(entry).map_err(fail)? {
        let Some((name, _, known)) = ENTRIES.iter().find(|(_, known, _)| *known == number) else {
            parsed.remark(format!("field {number} of the entry is not understood and was left out"));
            continue;
        };
        let Value::Bytes(bytes) = value else {
            return Err(fail(format!("`{name}` is no message")));
        };
        let mut values = Vec::new();
        for (number, value) in fields(bytes).map_err(fail)? {
            match (known.iter().find(|field| field.number == number), value) {
                (Some(field), Value::Number(value)) => values.push((field.metric, value as f64 * field.scale)),
                (Some(field), _) => return Err(fail(format!("`{name}.{}` is no number", field.name))),
                (None, _) => parsed.remark(format!("field {number} of `{name}` is not understood and was left out")),
            }
        }
        add(parsed, &file.name, name, &values, rounds)?;
    }
    Ok(())
}

/// No message has more fields.
const FIELDS_LIMIT: usize = 1_000;

fn fields(message: &[u8]) -> Result<Vec<(u32, Value<'_>)>, String> {
    let read = wire::fields(message).take(FIELDS_LIMIT + 1).collect::<Result<Vec<_>, _>>();
    let fields = read.map_err(|error| error.to_string())?;
    if fields.len() > FIELDS_LIMIT {
        return Err(format!("a message has more than {FIELDS_LIMIT} fields"));
    }
    Ok(fields)
}

fn add_json(parsed: &mut Parsed, file: &SourceFile, rounds: &mut Rounds) -> Result<(), ImportError> {
    let tree = json::parse(file)?;
    let root = Node::root(&file.name, &tree);
    if root.need("magic")?.text()? != "STATS" {
        return Err(root.need("magic")?.fail("is not STATS: another image of CRIU"));
    }
    for entry in root.need("entries")?.items()? {
        for (name, inner) in entry.entries()? {
            let Some((_, _, known)) = ENTRIES.iter().find(|(known, _, _)| *known == name) else {
                parsed.remark(format!("`{}` is not understood and was left out", inner.path()));
                continue;
            };
            let mut values = Vec::new();
            for (key, value) in inner.entries()? {
                match known.iter().find(|field| field.name == key) {
                    Some(field) => values.push((field.metric, value.number()? * field.scale)),
                    None => parsed.remark(format!("`{}` is not understood and was left out", value.path())),
                }
            }
            add(parsed, &file.name, name, &values, rounds)?;
        }
    }
    Ok(())
}

fn add(
    parsed: &mut Parsed,
    file: &str,
    operation: &str,
    values: &[(&'static str, f64)],
    rounds: &mut Rounds,
) -> Result<(), ImportError> {
    if let Some((metric, _)) = values.iter().find(|(_, value)| *value < 0.0) {
        return Err(ImportError::new(file, format!("`{metric}` is negative")));
    }
    let factors = Factors::from([("operation".to_owned(), text_factor(operation))]);
    let cell = parsed.cell(file, BackendName::Imported, factors)?;
    parsed.add(file, sample(cell, rounds.next(cell), Accuracy::Process, values.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::fixture;
    use super::*;

    #[test]
    fn images_and_their_json_say_the_same() {
        let image = parse(&[fixture("criu/stats-dump")]).unwrap();
        let json = parse(&[fixture("criu/stats-dump.json")]).unwrap();
        assert_eq!(image.samples, json.samples);
        assert_eq!(image.cells[0].id.as_str(), "imported/imported[operation=dump]");
        assert_eq!(image.samples[0].metrics["frozen_ns"], 140_250_000.0);
        assert_eq!(image.samples[0].metrics["pages_written_count"], 70_000.0);
        assert_eq!(image.samples[0].metrics.len(), 14);
    }

    #[test]
    fn each_file_of_a_directory_is_a_sample() {
        let names = ["criu/stats-dump", "criu/stats-restore", "criu/stats-dump.json"];
        let mut files: Vec<SourceFile> = names.iter().map(|name| fixture(name)).collect();
        files.push(SourceFile { name: "pages-1.img".into(), bytes: vec![0; 4096] });
        assert!(recognise(&files));
        let parsed = parse(&files).unwrap();
        assert_eq!(parsed.samples.len(), 3);
        assert_eq!(parsed.samples[1].metrics["restore_ns"], 130_007_000.0);
        assert_eq!(parsed.samples[2].round, 1);
    }

    #[test]
    fn another_image_is_told_apart() {
        let json = r#"{"magic": "INVENTORY", "entries": []}"#;
        assert!(!recognise(&[SourceFile { name: "x".into(), bytes: json.into() }]));
        let error = parse(&[SourceFile { name: "x".into(), bytes: b"\x19\x43\x56\x54aaaa".to_vec() }]).unwrap_err();
        assert!(error.message.contains("magic number"));
    }
}
