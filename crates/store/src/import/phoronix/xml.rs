//! `composite.xml`. Entities of its own and a DTD are refused; nothing outside the file is looked at.

use super::super::parts::{Rounds, short, text_at, unread};
use super::super::{ImportError, Parsed, SourceFile, json, text, when};
use super::result::{Outcome, Test, add as add_result, numbers};
use roxmltree::{Document, Node, ParsingOptions};

/// No file has more elements, attributes and texts.
const NODES_LIMIT: u32 = 5_000_000;
/// No element lies deeper; a result has a depth of 5.
const DEPTH_LIMIT: usize = 64;

pub(super) fn add(parsed: &mut Parsed, file: &SourceFile, rounds: &mut Rounds) -> Result<(), ImportError> {
    let text = text::utf8(file)?;
    if let Some(line) = too_deep(text) {
        return Err(ImportError::at(&file.name, line, format!("elements lie deeper than {DEPTH_LIMIT}")));
    }
    let options = ParsingOptions { allow_dtd: false, nodes_limit: NODES_LIMIT, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| {
        ImportError::at(
            &file.name,
            u64::from(error.pos().row),
            format!("not the XML it should be: {}", short(&error.to_string())),
        )
    })?;
    let root = document.root_element();
    if root.tag_name().name() != "PhoronixTestSuite" {
        let name = short(root.tag_name().name());
        return Err(ImportError::new(
            &file.name,
            format!("the outermost element is `{name}`, not `PhoronixTestSuite`"),
        ));
    }
    for (index, element) in root.children().filter(Node::is_element).enumerate() {
        match element.tag_name().name() {
            "Generated" => {
                parsed.title = Some(child(element, "Title"))
                    .filter(|text| !text.is_empty())
                    .map_or_else(|| parsed.title.clone(), short);
                parsed.tool = Some(short(child(element, "TestClient"))).filter(|text| !text.is_empty());
            }
            "System" => {
                parsed.fact("host", child(element, "Hardware"));
                parsed.fact("software", child(element, "Software"));
                if let Some(time) = when::rfc3339(child(element, "TimeStamp")) {
                    parsed.remark("the time of a system has no zone and was taken for UTC");
                    parsed.created_at.get_or_insert(time);
                }
            }
            "Result" => add_element(parsed, &file.name, element, index, rounds)?,
            other => parsed.remark(format!("element `{}` is not understood and was left out", short(other))),
        }
    }
    Ok(())
}

/// The line at which elements lie too deep, counted roughly and before the parser sees them.
fn too_deep(text: &str) -> Option<u64> {
    let (mut depth, mut rest, mut line) = (0_usize, text, 1);
    while let Some(at) = rest.find('<') {
        line += rest[..at].matches('\n').count() as u64;
        let tag = &rest[at..];
        let end = tag[1..].find(['<', '>']).map_or(tag.len(), |end| end + 1);
        if tag.starts_with("</") {
            depth = depth.saturating_sub(1);
        } else if !tag.starts_with("<!") && !tag.starts_with("<?") && !tag[..end].ends_with('/') {
            depth += 1;
        }
        if depth > DEPTH_LIMIT {
            return Some(line);
        }
        rest = &tag[1..];
    }
    None
}

fn child<'a>(element: Node<'a, '_>, name: &str) -> &'a str {
    let found = element.children().find(|child| child.has_tag_name(name));
    found.and_then(|child| child.text()).unwrap_or_default().trim()
}

fn add_element(
    parsed: &mut Parsed,
    file: &str,
    element: Node<'_, '_>,
    index: usize,
    rounds: &mut Rounds,
) -> Result<(), ImportError> {
    let test = Test {
        identifier: child(element, "Identifier"),
        description: child(element, "Description"),
        scale: child(element, "Scale"),
        proportion: child(element, "Proportion"),
        display: child(element, "DisplayFormat"),
        path: format!("PhoronixTestSuite.{index}.Result"),
    };
    if test.identifier.is_empty() {
        parsed.remark(format!("`{}` has no identifier and was left out", test.path));
        return Ok(());
    }
    let known = [
        "Identifier",
        "Title",
        "AppVersion",
        "Arguments",
        "Description",
        "Scale",
        "Proportion",
        "DisplayFormat",
        "Annotation",
        "Parent",
        "Data",
    ];
    unread(parsed, "Result.", element.children().filter(Node::is_element).map(|inner| inner.tag_name().name()), &known);
    let entries = element.children().filter(|inner| inner.has_tag_name("Data")).flat_map(|data| data.children());
    for entry in entries.filter(|inner| inner.has_tag_name("Entry")) {
        let raw = child(entry, "RawString");
        let raw = numbers(raw).unwrap_or_else(|| {
            parsed.remark(format!("`{}.RawString` is no list of numbers and was left out", test.path));
            Vec::new()
        });
        let outcome = Outcome {
            system: child(entry, "Identifier"),
            value: child(entry, "Value"),
            raw,
            run_seconds: run_seconds(file, child(entry, "JSON"))?,
        };
        add_result(parsed, file, &test, &outcome, rounds)?;
    }
    Ok(())
}

/// `test-run-times` of the JSON inside an entry.
fn run_seconds(file: &str, text: &str) -> Result<Vec<f64>, ImportError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let tree = json::parse_text(file, 1, text)
        .map_err(|error| ImportError::new(file, format!("the JSON in an entry: {}", error.message)))?;
    let times = text_at(&json::Node::root(file, &tree), "test-run-times").map(numbers);
    Ok(times.flatten().unwrap_or_default())
}
