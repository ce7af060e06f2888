use super::super::Selection;
use super::super::testing::Example;
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::Factors;
use isodyne_core::record::SkippedCell;
use roxmltree::{Document, Node};

/// Elements by parent, and attributes, of the schema of Jenkins' xUnit plugin (`junit-10.xsd`) as far as they are used:
/// anything else would be refused there.
const ELEMENTS: [(&str, &[&str], &[&str]); 8] = [
    ("testsuites", &["testsuite"], &["name", "time", "tests", "failures", "errors"]),
    (
        "testsuite",
        &["properties", "testcase", "system-out", "system-err"],
        &["name", "tests", "failures", "errors", "time", "skipped", "timestamp", "hostname", "id", "package"],
    ),
    ("properties", &["property"], &[]),
    ("property", &[], &["name", "value"]),
    ("testcase", &["skipped", "error", "failure", "system-out", "system-err"], &["name", "classname", "time"]),
    ("skipped", &[], &["type", "message"]),
    ("failure", &[], &["type", "message"]),
    ("system-out", &[], &[]),
];

fn within_schema(node: Node<'_, '_>) {
    let name = node.tag_name().name();
    let known = ELEMENTS.iter().find(|(element, _, _)| *element == if name == "error" { "failure" } else { name });
    let (_, children, attributes) = known.unwrap_or_else(|| panic!("<{name}> is not in the schema"));
    for attribute in node.attributes() {
        assert!(attributes.contains(&attribute.name()), "{name} {}", attribute.name());
    }
    for child in node.children().filter(Node::is_element) {
        assert!(children.contains(&child.tag_name().name()), "<{}> in <{name}>", child.tag_name().name());
        within_schema(child);
    }
}

/// What came out of a case, with its message: `failure: …`.
fn outcome(document: &Document<'_>, class: &str, name: &str) -> String {
    let case = document
        .descendants()
        .find(|node| node.attribute("classname") == Some(class) && node.attribute("name") == Some(name))
        .unwrap_or_else(|| panic!("no case {class} {name}"));
    let found = case.children().find(|node| node.is_element() && node.tag_name().name() != "system-out");
    found.map_or_else(
        || "passed".to_owned(),
        |node| format!("{}: {}", node.tag_name().name(), node.attribute("message").unwrap_or_default()),
    )
}

/// The example with a cell that could not run and one that the run has not come to.
fn example() -> Example {
    let mut example = Example::new();
    let cell = |backend| Cell {
        id: CellId::new(BenchmarkName::Boot, backend, &Factors::new()),
        benchmark: BenchmarkName::Boot,
        backend,
        factors: Factors::new(),
        variant: None,
    };
    let skipped =
        SkippedCell { cell: cell(BackendName::Runsc), reason: "no <runsc>".to_owned(), hint: "install it".to_owned() };
    example.record.skipped.push(skipped);
    example.record.cells.push(cell(BackendName::Podman));
    example
}

#[test]
fn what_is_measured_failed_skipped_and_void_is_told_apart_within_the_schema() {
    let mut example = example();
    // No copy is that fast: the auditor's `beyond-physics` voids it.
    for sample in example.samples.iter_mut().filter(|sample| sample.counts() && sample.cell.as_str() == "boot/runc") {
        sample.metrics.insert("copy_bytes_per_s".to_owned(), 5e12 + sample.sequence as f64 * 1e9);
    }
    let xml = example.export("junit", &Selection::default());
    let document = Document::parse(&xml).unwrap();
    within_schema(document.root_element());
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    assert_eq!(suite.attribute("timestamp"), Some("2026-01-29T12:00:00Z"));
    let of = |class: &str, name: &str| outcome(&document, class, name);
    assert_eq!(of("boot/runc", "samples"), "failure: 1 of 16 samples failed: 1 timeout");
    assert!(xml.contains("timeout: no answer&#10;within 9 s"), "{xml}");
    assert_eq!(of("boot/runc", "total_ns"), "passed");
    assert!(of("boot/runc", "copy_bytes_per_s").starts_with("failure: void (beyond-physics): "));
    assert!(of("boot/crun", "samples").starts_with("failure: 1 of 1 samples failed: 1 timeout; "));
    assert_eq!(of("boot/runsc", "samples"), "skipped: no <runsc>: install it");
    assert_eq!(of("boot/podman", "samples"), "error: the run has not come to it yet");
    assert!(of("run", "ended").starts_with("error: the run has not ended"));
    let qemu = example.record.cells[1].id.as_str();
    assert_eq!((of(qemu, "samples"), of(qemu, "peak_memory_bytes")), ("passed".to_owned(), "passed".to_owned()));
    // The counts are those of the elements.
    for (attribute, element) in [("tests", "testcase"), ("failures", "failure"), ("errors", "error")] {
        let found = document.descendants().filter(|node| node.has_tag_name(element)).count();
        assert_eq!(suite.attribute(attribute), Some(found.to_string().as_str()), "{attribute}");
    }
}

#[test]
fn the_time_of_a_case_is_the_median_and_only_of_times() {
    let example = example();
    let xml = example.export("junit", &Selection::default());
    let document = Document::parse(&xml).unwrap();
    let time = |name: &str| {
        let case = |node: &Node<'_, '_>| {
            node.attribute("classname") == Some("boot/runc") && node.attribute("name") == Some(name)
        };
        document.descendants().find(case).unwrap().attribute("time").map(|time| time.parse::<f64>().unwrap())
    };
    let mut values = example.values(0, "total_ns");
    values.sort_by(f64::total_cmp);
    assert_eq!(values.len(), 15);
    assert!((time("total_ns").unwrap() - values[7] / 1e9).abs() < 1e-9);
    assert_eq!((time("peak_memory_bytes"), time("samples")), (None, None));
}

#[test]
fn a_selection_takes_cases_and_hides_no_end_of_the_run() {
    let example = example();
    let selection = Selection { metric: Some("total_ns".to_owned()), cell: Some("runc".to_owned()) };
    let xml = example.export("junit", &selection);
    assert!(xml.contains("classname=\"boot/runc\" name=\"total_ns\"") && xml.contains("name=\"ended\""));
    assert!(!xml.contains("peak_memory_bytes") && !xml.contains("qemu"));
}
