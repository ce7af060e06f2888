//! The networks of sandboxes that were kept: the one that comes back takes its own again, so that the addresses are those
//! that its connections know, and connections with the host's side go on.

use super::{NetworkKind, OwnNetwork};
use crate::lab::Lab;
use isodyne_core::failure::Failure;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Namespaces of containers.
static OWN: KeptNetworks<OwnNetwork> = KeptNetworks::new();

/// Networks that their sandboxes have left, by the sandboxes' names, as long as somebody holds them.
pub(crate) struct KeptNetworks<N>(Mutex<Vec<(String, Weak<N>)>>);

impl<N> KeptNetworks<N> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Remembers the network of a sandbox that was kept and runs no more.
    pub(crate) fn left(&self, name: &str, network: Option<&Arc<N>>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(other, network)| other != name && network.strong_count() > 0);
        known.extend(network.map(|network| (name.to_owned(), Arc::downgrade(network))));
    }

    /// The network that a sandbox had, unless it is gone. Once: two sandboxes in it would be two owners of one address.
    pub(crate) fn again(&self, name: &str) -> Option<Arc<N>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = known.iter().position(|(other, _)| other == name)?;
        known.swap_remove(at).1.upgrade()
    }
}

/// Remembers the network of a container that was kept and runs no more.
pub(crate) fn left(name: &str, network: Option<&Arc<OwnNetwork>>) {
    OWN.left(name, network);
}

/// The network of a container that comes back: the one that it had, or one with the same addresses in namespaces that
/// nobody else is in.
///
/// # Errors
/// As [`NetworkKind::for_container`].
pub(crate) fn again(kind: NetworkKind, name: &str, lab: &Lab) -> Result<Option<Arc<OwnNetwork>>, Failure> {
    match kind {
        NetworkKind::Own { .. } => match OWN.again(name) {
            Some(network) => Ok(Some(network)),
            None => kind.for_container(name, lab),
        },
        _ => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_taken_again_once_and_as_long_as_somebody_holds_it() {
        let networks = KeptNetworks::new();
        let held = Arc::new("10.0.0.0/30");
        networks.left("isodyne-1", Some(&held));
        assert_eq!(networks.again("isodyne-2"), None);
        let restored = networks.again("isodyne-1").unwrap();
        assert!(Arc::ptr_eq(&restored, &held));
        assert_eq!(networks.again("isodyne-1"), None, "the restored one is in it");
        networks.left("isodyne-1", Some(&restored));
        drop((held, restored));
        assert_eq!(networks.again("isodyne-1"), None, "nobody held it, and it is gone");
    }

    #[test]
    fn a_sandbox_that_is_kept_again_has_the_network_of_the_last_time() {
        let networks = KeptNetworks::new();
        let (first, second) = (Arc::new(1), Arc::new(2));
        networks.left("isodyne-1", Some(&first));
        networks.left("isodyne-1", Some(&second));
        assert_eq!(networks.again("isodyne-1").as_deref(), Some(&2));
        networks.left("isodyne-1", Some(&first));
        networks.left("isodyne-1", None);
        assert_eq!(networks.again("isodyne-1"), None);
    }
}
