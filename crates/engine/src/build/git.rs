//! Git: which commit a revision is, and a clean work tree of it.

use super::task::{Task, last_line};
use super::{BuildError, name_of_url};
use crate::backend::text;
use crate::host::find_tool;
use crate::lab::Lab;
use isodyne_core::plan::build::Build;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long git may take for what is on this host.
const LOCAL: Duration = Duration::from_secs(300);
/// How long git may take to bring a repository.
const FETCH: Duration = Duration::from_secs(1_800);
/// Where `HEAD` of a repository behind a URL is kept.
const REMOTE_HEAD: &str = "refs/isodyne/head";
const REFS: [&str; 3] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*", "+HEAD:refs/isodyne/head"];

/// Whether a repository is behind a URL (`https://…`, `host:path`), rather than a directory of this host.
pub(super) fn is_url(repository: &str) -> bool {
    if Path::new(repository).exists() {
        return false;
    }
    repository.contains("://") || repository.split('/').next().is_some_and(|first| first.contains(':'))
}

/// Where the repository is read from, and the commit that the revision stands for.
pub(super) fn commit_of(build: &Build, lab: &Lab) -> Result<(PathBuf, String), BuildError> {
    let git = Git::new(build, lab)?;
    let wanted = build.commit.as_deref().unwrap_or(&build.revision);
    if !is_url(&build.repository) {
        let path = std::path::absolute(&build.repository).unwrap_or_else(|_| PathBuf::from(&build.repository));
        let path = path.canonicalize().map_err(|source| BuildError::Io { action: "open", path, source })?;
        let commit = git.commit(&path, wanted)?;
        return Ok((path, commit));
    }
    let mirror = mirror(&lab.cache, &build.repository);
    let known = is_commit(wanted).then(|| git.commit(&mirror, wanted).ok()).flatten();
    if let Some(commit) = known {
        return Ok((mirror, commit));
    }
    git.call("make a repository in the cache", &["init", "--bare", "--quiet", "--", &text(&mirror)], LOCAL)?;
    let directory = text(&mirror);
    let fetch = ["-C", &directory, "fetch", "--quiet", "--force", "--", &build.repository, REFS[0], REFS[1], REFS[2]];
    git.call("fetch the repository", &fetch, FETCH)?;
    let commit = git.commit(&mirror, if wanted == "HEAD" { REMOTE_HEAD } else { wanted })?;
    Ok((mirror, commit))
}

/// Makes a work tree of a commit, with nothing else in it.
pub(super) fn check_out(source: &Path, commit: &str, tree: &Path, log: &Path, lab: &Lab) -> Result<(), BuildError> {
    for words in check_out_words(&text(source), commit, &text(tree)) {
        let argv: Vec<String> = std::iter::once("git".to_owned()).chain(words).collect();
        let task = Task { argv: &argv, directory: None, log, patience: LOCAL };
        task.run(lab).map_err(|complaint| BuildError::Git {
            name: text(tree),
            action: "make a work tree".to_owned(),
            complaint,
        })?;
    }
    Ok(())
}

fn check_out_words(source: &str, commit: &str, tree: &str) -> [Vec<String>; 2] {
    // A clone rather than `git worktree`: nothing is written into the user's repository.
    let clone = ["clone", "--quiet", "--no-checkout", "--", source, tree].map(str::to_owned).to_vec();
    let check_out = ["-C", tree, "checkout", "--quiet", "--detach", commit].map(str::to_owned).to_vec();
    [clone, check_out]
}

/// The calls of git, for a description; the commit is not known before git is asked.
pub(super) fn describe(build: &Build, cache: &Path, tree: &Path) -> Vec<Vec<String>> {
    let words =
        |words: &[&str]| -> Vec<String> { ["git"].iter().chain(words).map(|word| (*word).to_owned()).collect() };
    let wanted = build.commit.as_deref().unwrap_or(&build.revision);
    let mut calls = Vec::new();
    let source = if is_url(&build.repository) {
        let mirror = text(&mirror(cache, &build.repository));
        calls.push(words(&["init", "--bare", "--quiet", "--", &mirror]));
        calls.push(words(&[
            "-C",
            &mirror,
            "fetch",
            "--quiet",
            "--force",
            "--",
            &build.repository,
            REFS[0],
            REFS[1],
            REFS[2],
        ]));
        mirror
    } else {
        build.repository.clone()
    };
    calls.push(words(&["-C", &source, "rev-parse", "--verify", "--end-of-options", &format!("{wanted}^{{commit}}")]));
    let rest = check_out_words(&source, "<commit>", &text(tree));
    calls.extend(rest.map(|call| words(&call.iter().map(String::as_str).collect::<Vec<_>>())));
    calls
}

fn mirror(cache: &Path, url: &str) -> PathBuf {
    cache.join("repositories").join(name_of_url(url))
}

fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Git, called for one build.
struct Git<'a> {
    name: &'a str,
    lab: &'a Lab,
    output: PathBuf,
}

impl<'a> Git<'a> {
    fn new(build: &'a Build, lab: &'a Lab) -> Result<Self, BuildError> {
        find_tool("git").ok_or(BuildError::NoGit)?;
        Ok(Self { name: &build.name, lab, output: lab.scratch.join("git.out") })
    }

    fn commit(&self, repository: &Path, revision: &str) -> Result<String, BuildError> {
        let revision_word = format!("{revision}^{{commit}}");
        let words = ["-C", &text(repository), "rev-parse", "--verify", "--end-of-options", &revision_word];
        let action = format!("find the revision `{revision}` in {}", repository.display());
        self.call(&action, &words, LOCAL)?;
        let commit = last_line(&self.output).unwrap_or_default();
        if is_commit(&commit) || (commit.len() == 64 && commit.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return Ok(commit);
        }
        Err(BuildError::Git { name: self.name.to_owned(), action, complaint: format!("it answered `{commit}`") })
    }

    /// Runs git to its end; its output is in `self.output` then.
    fn call(&self, action: &str, words: &[&str], patience: Duration) -> Result<(), BuildError> {
        // What an earlier call said is not this one's answer.
        let _ = std::fs::remove_file(&self.output);
        let argv: Vec<String> = ["git"].iter().chain(words).map(|word| (*word).to_owned()).collect();
        let task = Task { argv: &argv, directory: None, log: &self.output, patience };
        task.run(self.lab).map_err(|complaint| BuildError::Git {
            name: self.name.to_owned(),
            action: action.to_owned(),
            complaint,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        for url in ["https://example.org/x.git", "git@example.org:x/y.git", "file:///srv/x"] {
            assert!(is_url(url), "{url}");
        }
        for path in [".", "/srv/git/runc", "../runc", "src/a:b"] {
            assert!(!is_url(path), "{path}");
        }
    }
}
