//! Whom an application runs as: a name of the image's own lists, or numbers.

use crate::image::app::AppImage;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// The most that is read of a list.
const LIST_LIMIT: u64 = 1 << 20;

/// The numbers of user and group of `NAME|NUMBER[:NAME|NUMBER]`.
pub(super) fn resolve(text: &str, image: &AppImage) -> Result<(u32, u32), String> {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    if let (Ok(user), Some(Ok(group))) = (user.parse(), group.map(str::parse)) {
        return Ok((user, group));
    }
    if group.is_none() && matches!(user, "root" | "0") {
        return Ok((0, 0));
    }
    let root = image.root_directory().map_err(|error| crate::backend::chain(&error))?;
    of_lists(user, group, &list(&root, "etc/passwd"), &list(&root, "etc/group"))
}

/// As Docker has it: a number that the list does not have is good, with group 0; a name has to be there.
fn of_lists(user: &str, group: Option<&str>, users: &str, groups: &str) -> Result<(u32, u32), String> {
    let number = |text: Option<&&str>| text.and_then(|text| text.parse::<u32>().ok());
    let find = |list: &str, wanted: &str| {
        let lines: Vec<Vec<&str>> = list.lines().map(|line| line.split(':').collect()).collect();
        let by_name = lines.iter().position(|line| line.first() == Some(&wanted));
        let by_number = || lines.iter().position(|line| line.get(2) == Some(&wanted));
        let line = by_name.or_else(by_number).map(|at| lines[at].clone())?;
        Some((number(line.get(2))?, number(line.get(3))))
    };
    let missing = |kind: &str, name: &str| format!("the image has no {kind} `{}`", name.escape_debug());
    let (user, own_group) = match (find(users, user), user.parse()) {
        (Some((user, group)), _) => (user, group.unwrap_or(0)),
        (None, Ok(user)) => (user, 0),
        (None, Err(_)) => return Err(missing("user", user)),
    };
    let group = match group.map(|group| (find(groups, group), group.parse(), group)) {
        None => own_group,
        Some((Some((group, _)), ..)) | Some((None, Ok(group), _)) => group,
        Some((None, Err(_), name)) => return Err(missing("group", name)),
    };
    Ok((user, group))
}

/// A list of the image; empty if there is none. No link of the image leads out of it.
fn list(root: &Path, path: &str) -> String {
    let open = || -> std::io::Result<String> {
        let root = File::open(root)?;
        let flags = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let list = rustix::fs::openat2(
            &root,
            path,
            OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK,
            Mode::empty(),
            flags,
        )?;
        let mut bytes = Vec::new();
        File::from(list).take(LIST_LIMIT).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    open().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = "root:x:0:0::/:/bin/sh\nwww-data:x:33:34:www:/var/www:/bin/sh\nbroken\n";
    const GROUPS: &str = "root:x:0:\nwww-data:x:35:\nadm:x:4:\n";

    #[test]
    fn names_are_those_of_the_image() {
        let of = |user, group| of_lists(user, group, USERS, GROUPS);
        assert_eq!(of("www-data", None), Ok((33, 34)));
        assert_eq!(of("33", None), Ok((33, 34)));
        assert_eq!(of("1000", None), Ok((1000, 0)));
        assert_eq!(of("www-data", Some("adm")), Ok((33, 4)));
        assert_eq!(of("www-data", Some("77")), Ok((33, 77)));
        assert!(of("nobody", None).unwrap_err().contains("no user `nobody`"));
        assert!(of("root", Some("wheel")).unwrap_err().contains("no group `wheel`"));
        assert!(of("broken", None).is_err());
    }

    #[test]
    fn a_link_out_of_the_image_stays_in_it() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        std::os::unix::fs::symlink("/etc/shadow", root.path().join("etc/passwd")).unwrap();
        assert_eq!(list(root.path(), "etc/passwd"), "");
        assert_eq!(list(root.path(), "etc/group"), "");
    }
}
