//! A real browser, where there is one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// A browser that hangs is ended after this.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a page became.
pub struct Loaded {
    /// The page's elements after it was loaded.
    pub dom: String,
    /// Lines of the console.
    pub console: Vec<String>,
}

/// The browser, if it is on PATH.
pub fn browser() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join("chromium")).find(|file| file.is_file())
}

/// Loads a page, `width` pixels wide, in light or dark.
pub fn load(browser: &Path, directory: &Path, html: &str, width: u32, dark: bool) -> Loaded {
    std::fs::create_dir_all(directory).unwrap();
    let page = directory.join("page.html");
    std::fs::write(&page, html).unwrap();
    let (dom, log) = (directory.join("dom.html"), directory.join("log.txt"));
    let mut child = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-extensions", "--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", directory.join("profile").display()))
        .arg(format!("--window-size={width},900"))
        .arg(format!("--blink-settings=preferredColorScheme={}", u8::from(!dark)))
        .arg(format!("file://{}", page.display()))
        .stdin(Stdio::null())
        .stdout(std::fs::File::create(&dom).unwrap())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > DEADLINE {
            child.kill().unwrap();
            child.wait().unwrap();
            panic!("the browser has not ended after {DEADLINE:?}");
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let log = String::from_utf8_lossy(&std::fs::read(&log).unwrap()).into_owned();
    assert!(status.success(), "{status}: {log}");
    let console = log.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    Loaded { dom: String::from_utf8_lossy(&std::fs::read(&dom).unwrap()).into_owned(), console }
}
