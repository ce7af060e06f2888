//! Choosing what is shown without a script: a box for each cell, and a rule of the style sheet for each box.

use crate::escape::html_escape as e;

/// More cells than this have no boxes: nobody would look through them.
pub(super) const MOST: usize = 200;

/// Something that can be hidden.
pub(super) struct Choice<'a> {
    /// Its place: it is in the class `cell-PLACE`.
    pub cell: usize,
    /// Its colour, if it has one.
    pub series: Option<usize>,
    /// Its name; plain text.
    pub label: &'a str,
}

/// The boxes; nothing where there is no choice. `noun` is what they stand for.
pub(super) fn boxes(noun: &str, choices: &[Choice<'_>]) -> String {
    if choices.len() < 2 {
        return String::new();
    }
    if choices.len() > MOST {
        return format!("<p class=\"host\">More than {MOST} {noun}: there are no boxes to choose among them.</p>\n");
    }
    let list: String = choices
        .iter()
        .map(|choice| {
            let swatch =
                choice.series.map_or_else(String::new, |series| format!("<i class=\"swatch s{}\"></i>", series % 8));
            // Firefox would keep what was chosen over a reload, and the reader would not know why something is missing.
            format!(
                "<label><input type=\"checkbox\" id=\"show-{}\" checked autocomplete=\"off\">{swatch}{}</label>\n",
                choice.cell,
                e(choice.label)
            )
        })
        .collect();
    // A form of this method is never sent; it is there for its button, which ticks every box again.
    format!(
        "<form class=\"filter\" method=\"dialog\" autocomplete=\"off\">\n<fieldset><legend>Show these {noun}</legend>\n{list}\
         <button type=\"reset\">show all</button></fieldset>\n\
         <p class=\"hidden-note\">Some {noun} are hidden here; sentences and totals are about all of them.</p>\n</form>\n"
    )
}

/// The rules that hide what is not ticked.
pub(super) fn rules(choices: &[Choice<'_>]) -> String {
    if choices.len() < 2 || choices.len() > MOST {
        return String::new();
    }
    choices
        .iter()
        .map(|choice| format!("body:has(#show-{0}:not(:checked)) .cell-{0} {{ display: none; }}\n", choice.cell))
        .collect()
}
