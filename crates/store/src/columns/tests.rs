use super::*;
use crate::read::parse;
use isodyne_core::cell::CellId;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::{Ledger, Milestone, MilestoneName, SignalName};
use isodyne_core::sample::{Accuracy, Contamination, Provenance, Sample};
use proptest::prelude::*;

fn milestone() -> impl Strategy<Value = Milestone> {
    let name = prop::sample::select(MilestoneName::ALL);
    let signal = prop::sample::select(SignalName::ALL);
    (name, 0..1_000_000_u64, prop::option::of(0..1_000_000_u64), signal)
        .prop_map(|(name, at_ns, asked_ns, signal)| Milestone { name, at_ns, asked_ns, signal })
}

fn contamination() -> impl Strategy<Value = Contamination> {
    let load = prop::option::of(0.0..100.0_f64);
    let state = prop::option::of("warm|cold|un\"known|ä");
    (prop::array::uniform7(prop::option::of(any::<u64>())), load, state).prop_map(|(whole, load_1min, page_cache)| {
        let [steal_ns, pressure_cpu_ns, pressure_memory_ns, pressure_io_ns, switches, other_cpu_ns, throttled_count] =
            whole;
        Contamination {
            steal_ns,
            pressure_cpu_ns,
            pressure_memory_ns,
            pressure_io_ns,
            involuntary_switches_count: switches,
            other_cpu_ns,
            throttled_count,
            load_1min,
            page_cache,
        }
    })
}

fn failure() -> impl Strategy<Value = Option<Failure>> {
    let class = prop::sample::select(FailureClass::ALL);
    let some = (class, "[ -~]{0,20}").prop_map(|(class, message)| Failure::new(class, message));
    prop_oneof![4 => Just(None), 1 => some.prop_map(Some)]
}

fn sample() -> impl Strategy<Value = Sample> {
    let cell = prop_oneof!["boot/runc", "boot/qemu\\[machine=q35\\]", "imported/x", "oth\"er", "ünïcode"];
    let metric = prop_oneof!["total_ns", "residue_ns", "cpu_ns", "[a-z]{1,3}_ns"];
    let value =
        prop_oneof![any::<f64>().prop_filter("finite", |value| value.is_finite()), (0..u32::MAX).prop_map(f64::from)];
    let head = (cell, 0..1_000_u64, any::<u32>(), any::<bool>(), any::<u64>(), 0..3_u32);
    let kind = (prop::sample::select(Provenance::ALL), prop::sample::select(Accuracy::ALL));
    let tail = (prop::collection::vec("[a-z ]{0,9}", 0..3), prop::collection::vec("logs/[a-z]{1,9}", 0..3));
    let metrics = prop::collection::btree_map(metric, value, 0..6);
    let milestones = prop::collection::vec(milestone(), 0..6);
    (head, kind, failure(), milestones, metrics, contamination(), tail).prop_map(
        |(head, (provenance, accuracy), failure, milestones, metrics, contamination, (proofs, logs))| {
            let mut ledger = Ledger::default();
            milestones.into_iter().for_each(|milestone| ledger.add(milestone));
            Sample {
                cell: CellId(head.0),
                sequence: head.1,
                round: head.2,
                warmup: head.3,
                started_at: "2026-11-22T04:12:34Z".to_owned(),
                started_ns: head.4,
                session: head.5,
                provenance,
                accuracy,
                failure,
                ledger,
                metrics,
                contamination,
                proofs,
                logs,
            }
        },
    )
}

fn columns_of(text: &[u8]) -> Read {
    read_stretch(text, &Stretch { number: 0, whole: text.len(), last: true })
}

/// NaN is not equal to itself, but its name is.
fn plain(columns: &RunColumns) -> String {
    format!("{columns:?}")
}

proptest! {
    #[test]
    fn columns_are_those_of_the_samples(samples in prop::collection::vec(sample(), 0..40), cut in 0..40_usize) {
        let encode = |samples: &[Sample]| -> Vec<u8> {
            samples.iter().flat_map(|sample| serde_json::to_string(sample).unwrap().into_bytes().into_iter().chain([b'\n'])).collect()
        };
        // In two stretches, as a longer file is read.
        let (first, second) = samples.split_at(cut.min(samples.len()));
        let mut read = columns_of(&encode(first)).columns;
        read.append(columns_of(&encode(second)).columns);
        read.sort();
        prop_assert_eq!(plain(&read), plain(&RunColumns::of(&samples)));
    }

    /// What is not as this program writes it is read, or refused, as by the full parser.
    #[test]
    fn a_changed_line_is_what_the_full_parser_says(sample in sample(), places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), structural in any::<bool>()) {
        let mut line = serde_json::to_vec(&sample).unwrap();
        for (place, byte) in places {
            let place = place.index(line.len());
            let byte = if structural { b"{}[],:\"0123456789.-e \\ntu"[usize::from(byte) % 25] } else { byte };
            line[place] = byte;
        }
        line.retain(|byte| *byte != b'\n');
        let expected = parse(&line);
        line.push(b'\n');
        let read = columns_of(&line);
        match expected {
            Ok(sample) => {
                prop_assert_eq!(read.trouble, None);
                prop_assert_eq!(plain(&read.columns), plain(&RunColumns::of(&[sample])));
            }
            Err(trouble) => prop_assert_eq!(read.trouble, Some((1, trouble))),
        }
    }
}

#[test]
fn what_this_program_writes_goes_the_short_way() {
    let mut sample: Sample = parse(
        br#"{"cell":"boot/runc","sequence":4,"round":2,"warmup":false,"started_at":"2026-11-22T07:45:03.7Z","started_ns":75479,
        "session":0,"provenance":"measured","accuracy":"container","ledger":{"milestones":[
        {"name":"spawned","at_ns":210597,"asked_ns":0,"signal":"exec"},{"name":"created","at_ns":113968487,"signal":"notify"}]},
        "metrics":{"cpu_ns":33474000.0,"total_ns":1.5e-7},"contamination":{"load_1min":14.48,"steal_ns":3},
        "proofs":["exit code 0"],"logs":["logs/4-runc.log"]}"#,
    )
    .unwrap();
    let line = serde_json::to_vec(&sample).unwrap();
    assert!(line::read(&line, &mut line::Scratch::default()).is_some());
    sample.proofs.clear();
    sample.logs.clear();
    sample.contamination.page_cache = Some("warm".to_owned());
    let line = serde_json::to_vec(&sample).unwrap();
    assert!(line::read(&line, &mut line::Scratch::default()).is_some());
}

#[test]
fn ever_new_metrics_are_refused_by_every_reader() {
    let line = |round: usize| {
        let names: Vec<String> = (0..500).map(|index| format!("\"m{round}_{index}\":1.0")).collect();
        format!(
            "{{\"cell\":\"boot/x\",\"sequence\":{round},\"round\":0,\"warmup\":false,\"started_at\":\"\",\"started_ns\":0,\
             \"session\":0,\"provenance\":\"measured\",\"accuracy\":\"kvm\",\"ledger\":{{\"milestones\":[]}},\
             \"metrics\":{{{}}},\"contamination\":{{}}}}\n",
            names.join(",")
        )
    };
    let text: String = (0..3).map(line).collect();
    let read = columns_of(text.as_bytes());
    let (number, (_, message)) = read.trouble.unwrap();
    assert!(number == 3 && message.contains("different metrics"), "{message}");
    let (first, later) = (columns_of((line(0) + &line(1)).as_bytes()), columns_of(line(2).as_bytes()));
    assert!(later.trouble.is_none() && crowded(&first.columns, &later.columns).is_some());

    let place = tempfile::tempdir().unwrap();
    let seed = include_bytes!("../../../../fuzz/seeds/run/scripted");
    let end = seed.iter().position(|byte| *byte == 0).unwrap();
    std::fs::write(place.path().join(crate::RECORD_FILE), &seed[..end]).unwrap();
    let write = |text: &str| std::fs::write(place.path().join(SAMPLES_FILE), text).unwrap();
    write(&(line(0) + &line(1) + &line(0)));
    assert_eq!(crate::read(place.path()).unwrap().samples.len(), 3);
    write(&text);
    let error = crate::read(place.path()).unwrap_err().to_string();
    assert!(error.contains(":3:1: ") && error.contains("more than 1024 different metrics"), "{error}");
    assert_eq!(read_columns(place.path()).unwrap_err().to_string(), error);
    assert!(crate::RunDirectory::open_for_resume(place.path()).is_err());
}
