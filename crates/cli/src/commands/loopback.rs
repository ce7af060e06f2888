//! `isodyne loopback`: called by runc as a hook while `isodyne restore` brings a container back.

use crate::exit::{Exit, Trouble};

/// Brings up the loopback interface of the container that standard input tells of.
pub fn loopback() -> Result<Exit, Trouble> {
    let done = isodyne_engine::checkpoint::container::loopback::bring_up(std::io::stdin().lock());
    done.map(|()| Exit::Ok).map_err(Trouble::unexpected)
}
