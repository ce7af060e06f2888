//! JUnit XML: test cases with outcomes as text that any CI reads.
//!
//! There is no standard; what is written here stays within the schema of Jenkins' xUnit plugin (`junit-10.xsd`), which is
//! what most readers take. Everything in it may be foreign text.

use std::fmt::Write;

/// A suite of test cases.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suite {
    /// What made it: `isodyne gate`.
    pub title: String,
    /// What it is of: `run 1a2b3c4d`.
    pub name: String,
    /// When what it is of began (RFC 3339); left out if empty.
    pub timestamp: String,
    /// Names with values.
    pub properties: Vec<(String, String)>,
    /// The cases in their order.
    pub cases: Vec<Case>,
    /// What is said of the whole suite; left out if empty.
    pub remarks: String,
}

/// A test case.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// What it belongs to: a cell.
    pub class: String,
    /// Its name within that.
    pub name: String,
    /// How long what it is about took, in nanoseconds, if it is about a time.
    pub time_ns: Option<f64>,
    /// What came out.
    pub outcome: Outcome,
    /// What is said beside the outcome; left out if empty.
    pub remarks: String,
}

/// What came out of a case.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It was not tried.
    Skipped {
        /// Why.
        message: String,
    },
    /// It does not hold.
    Failure {
        /// Of what kind, in a word.
        kind: String,
        /// Why, in a line.
        message: String,
        /// The evidence, in lines; may be empty.
        detail: String,
    },
    /// It cannot be told.
    Error {
        /// Of what kind, in a word.
        kind: String,
        /// Why, in a line.
        message: String,
    },
}

impl Suite {
    /// The suite as an XML document.
    pub fn to_xml(&self) -> String {
        let count = |wanted: fn(&Outcome) -> bool| self.cases.iter().filter(|case| wanted(&case.outcome)).count();
        let failures = count(|outcome| matches!(outcome, Outcome::Failure { .. }));
        let errors = count(|outcome| matches!(outcome, Outcome::Error { .. }));
        let skipped = count(|outcome| matches!(outcome, Outcome::Skipped { .. }));
        let numbers = format!("tests=\"{}\" failures=\"{failures}\" errors=\"{errors}\"", self.cases.len());
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
        // Writing to a string cannot fail.
        let _ = writeln!(out, "<testsuites name=\"{}\" {numbers}>", escape(&self.title));
        let _ = write!(out, "  <testsuite name=\"{}\" {numbers} skipped=\"{skipped}\"", escape(&self.name));
        if !self.timestamp.is_empty() {
            let _ = write!(out, " timestamp=\"{}\"", escape(&self.timestamp));
        }
        out.push_str(">\n    <properties>\n");
        for (name, value) in &self.properties {
            let _ = writeln!(out, "      <property name=\"{}\" value=\"{}\"/>", escape(name), escape(value));
        }
        out.push_str("    </properties>\n");
        self.cases.iter().for_each(|case| case.write(&mut out));
        if !self.remarks.is_empty() {
            let _ = writeln!(out, "    <system-out>{}</system-out>", escape(&self.remarks));
        }
        out.push_str("  </testsuite>\n</testsuites>\n");
        out
    }
}

impl Case {
    fn write(&self, out: &mut String) {
        let _ = write!(out, "    <testcase classname=\"{}\" name=\"{}\"", escape(&self.class), escape(&self.name));
        if let Some(time_ns) = self.time_ns.filter(|time_ns| time_ns.is_finite() && *time_ns >= 0.0) {
            let _ = write!(out, " time=\"{:.9}\"", time_ns / 1e9);
        }
        if self.outcome == Outcome::Passed && self.remarks.is_empty() {
            out.push_str("/>\n");
            return;
        }
        out.push_str(">\n");
        let _ = match &self.outcome {
            Outcome::Passed => Ok(()),
            Outcome::Skipped { message } => writeln!(out, "      <skipped message=\"{}\"/>", escape(message)),
            Outcome::Failure { kind, message, detail } if detail.is_empty() => {
                writeln!(out, "      <failure type=\"{}\" message=\"{}\"/>", escape(kind), escape(message))
            }
            Outcome::Failure { kind, message, detail } => writeln!(
                out,
                "      <failure type=\"{}\" message=\"{}\">{}</failure>",
                escape(kind),
                escape(message),
                escape(detail)
            ),
            Outcome::Error { kind, message } => {
                writeln!(out, "      <error type=\"{}\" message=\"{}\"/>", escape(kind), escape(message))
            }
        };
        if !self.remarks.is_empty() {
            let _ = writeln!(out, "      <system-out>{}</system-out>", escape(&self.remarks));
        }
        out.push_str("    </testcase>\n");
    }
}

/// Text for XML 1.0, in an element or a quoted attribute: what that has no place for, even escaped, becomes U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // In an attribute a parser would make a space of them.
            '\t' | '\n' | '\r' => {
                let _ = write!(out, "&#{};", u32::from(character));
            }
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(outcome: Outcome) -> Case {
        Case { class: "a".to_owned(), name: "b".to_owned(), time_ns: None, outcome, remarks: String::new() }
    }

    #[test]
    fn counts_are_of_the_cases_and_a_bare_pass_is_one_element() {
        let failure = Outcome::Failure { kind: "void".to_owned(), message: "1 < 2".to_owned(), detail: String::new() };
        let skipped = Outcome::Skipped { message: "no \"runsc\"".to_owned() };
        let error = Outcome::Error { kind: "inconclusive".to_owned(), message: "n".to_owned() };
        let cases = [Outcome::Passed, failure, skipped, error].map(case).to_vec();
        let xml = Suite { cases, ..Suite::default() }.to_xml();
        assert!(xml.contains("tests=\"4\" failures=\"1\" errors=\"1\" skipped=\"1\">"), "{xml}");
        assert!(xml.contains("<testcase classname=\"a\" name=\"b\"/>"), "{xml}");
        assert!(xml.contains("message=\"1 &lt; 2\"/>") && xml.contains("no &quot;runsc&quot;"), "{xml}");
    }

    #[test]
    fn times_are_seconds_and_never_anything_that_is_no_time() {
        let with = |time_ns: f64| Case { time_ns: Some(time_ns), ..case(Outcome::Passed) };
        let xml = |time_ns: f64| Suite { cases: vec![with(time_ns)], ..Suite::default() }.to_xml();
        assert!(xml(1_234_567.0).contains("time=\"0.001234567\""));
        for time_ns in [f64::NAN, f64::INFINITY, -1.0] {
            assert!(!xml(time_ns).contains("time="));
        }
    }
}
