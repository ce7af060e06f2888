//! Every kind of page in a real browser: nothing on the console, and boxes that hide what they should.
//!
//! Needs `chromium` on PATH. Where there is none these tests say so and pass; the pages' text is tested elsewhere.

#[path = "specimen/chromium.rs"]
mod chromium;
#[path = "specimen/pages.rs"]
mod pages;
#[path = "specimen/shared.rs"]
mod shared;
#[path = "specimen/mod.rs"]
mod specimen;

use chromium::{browser, load};
use isodyne_report::{RunView, comparison_html, html, trend_html};
use std::path::PathBuf;

fn directory(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[allow(clippy::print_stderr, reason = "a test that did not look must not seem as if it had")]
fn or_say_so(browser: Option<PathBuf>) -> Option<PathBuf> {
    if browser.is_none() {
        eprintln!("skipped: there is no chromium on PATH");
    }
    browser
}

fn every_page() -> Vec<(&'static str, String)> {
    let run = pages::with_view(&specimen::specimen(20), html);
    let variants = pages::with_view(&pages::with_variants(20), html);
    let comparison = pages::with_comparison(&specimen::specimen(20), &pages::later(20, 0.06), comparison_html);
    let trends = pages::trends(60);
    let trend = trend_html(&trends.iter().collect::<Vec<_>>());
    let (of_memory, streams) = shared::shared(3);
    let memory = pages::with_view(&of_memory, |view| html(RunView { streams: Some(&streams), ..view }));
    vec![("memory", memory), ("run", run), ("variants", variants), ("comparison", comparison), ("trend", trend)]
}

/// A page whose policy lets a test's own script look at it.
fn with_script(page: &str, script: &str) -> String {
    let (before, rest) = page.split_once("<meta http-equiv=\"Content-Security-Policy\"").unwrap();
    let (_, after) = rest.split_once('>').unwrap();
    format!("{before}{after}").replace("</body>", &format!("<script>{script}</script></body>"))
}

#[test]
fn no_page_has_anything_to_say_on_the_console() {
    let Some(browser) = or_say_so(browser()) else { return };
    for (name, page) in every_page() {
        for (width, dark) in [(360, false), (1400, true)] {
            let loaded = load(&browser, &directory("console"), &page, width, dark);
            assert_eq!(loaded.console, Vec::<String>::new(), "{name} at {width}, dark: {dark}");
            assert!(loaded.dom.contains("</main>"), "{name}");
        }
    }
    // And such a message would be seen: the policy forbids this script, and the browser says so.
    let forbidden = every_page().remove(0).1.replace("</body>", "<script>1</script></body>");
    let loaded = load(&browser, &directory("console"), &forbidden, 800, false);
    assert!(loaded.console.iter().any(|line| line.contains("Content Security Policy")), "{:?}", loaded.console);
}

/// Unticks a box as a click would, and says what of it is still shown, before and after, and again after the reset.
const TOGGLE: &str = "
const box = document.getElementById('show-1');
const shown = cell => [...document.querySelectorAll('.cell-' + cell)].filter(one => one.getClientRects().length > 0 ||
    (one instanceof SVGGElement && getComputedStyle(one).display !== 'none')).length;
document.querySelectorAll('details').forEach(one => { one.open = true; });
const note = () => getComputedStyle(document.querySelector('.hidden-note')).display;
const all = [shown(0), shown(1)], noteBefore = note();
box.focus();
const focused = document.activeElement === box;
box.click();
const hidden = [shown(0), shown(1)], noteAfter = note();
document.querySelector('.filter button').click();
const again = [shown(0), shown(1)];
document.title = JSON.stringify({ same: all[0] === hidden[0] && all[0] > 0, before: all[1] > 0, after: hidden[1],
    again: again[1] === all[1], focused, noteBefore, noteAfter });";

#[test]
fn a_box_hides_its_cell_everywhere_and_no_other_and_the_button_brings_it_back() {
    let Some(browser) = or_say_so(browser()) else { return };
    for (name, page) in every_page() {
        let loaded = load(&browser, &directory("toggle"), &with_script(&page, TOGGLE), 1000, false);
        let title = loaded.dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next()).unwrap_or("");
        let wanted = r#"{"same":true,"before":true,"after":0,"again":true,"focused":true,"noteBefore":"none","noteAfter":"block"}"#;
        assert_eq!(title, wanted, "{name}: {:?}", loaded.console);
    }
}

/// What is wider than the window, other than what scrolls within a frame of its own.
const WIDE: &str = "
document.title = JSON.stringify({ overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth });";

#[test]
fn no_page_is_wider_than_a_narrow_window() {
    let Some(browser) = or_say_so(browser()) else { return };
    for (name, page) in every_page() {
        // A headless window has a least width; a frame has none.
        let inner = with_script(&page, &WIDE.replace("document.title", "parent.document.title"));
        let quoted = inner.replace('&', "&amp;").replace('"', "&quot;");
        let outer =
            format!("<!doctype html><title>-</title><iframe width=360 height=800 srcdoc=\"{quoted}\"></iframe>");
        let loaded = load(&browser, &directory("narrow"), &outer, 800, false);
        assert!(loaded.dom.contains("<title>{\"overflow\":0}</title>"), "{name}: {}", &loaded.dom[..200]);
    }
}
