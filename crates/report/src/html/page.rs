//! What every page has: the frame, the styles, figures as sections.

use crate::SCRIPTED;
use crate::escape::{html_escape as e, html_sentences};
use crate::figure::Figure;

const STYLE: &str = include_str!("report.css");

/// A page. `rules` are further rules of its style sheet.
///
/// No script, no request: the content security policy forbids both, whatever a guest may have written.
pub(super) fn page(title: &str, rules: &str, body: &str) -> String {
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{STYLE}{rules}</style>
</head>
<body>
<main>
{body}</main>
</body>
</html>
"#,
        title = e(&format!("{title} · Isodyne")),
    )
}

/// The class of what belongs to a cell, as an attribute.
pub(super) fn class(cell: Option<usize>) -> String {
    cell.map_or_else(String::new, |cell| format!(" class=\"cell-{cell}\""))
}

/// A figure as a section.
pub(super) fn section(figure: &Figure) -> String {
    let label = if figure.scripted { format!(r#"<p class="scripted">{SCRIPTED}</p>"#) } else { String::new() };
    format!(
        "<section id=\"{}\"{}>\n<h2>{}</h2>\n{label}<figure><div class=\"wide\">{}</div><figcaption>{}</figcaption></figure>\n</section>\n",
        e(&figure.name),
        class(figure.cell),
        e(&figure.title),
        figure.inline(),
        html_sentences(&figure.explanation),
    )
}
