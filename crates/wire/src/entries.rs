use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Deref;

use crate::Entry;

/// The entries of a request, in the order in which to send them.
///
/// Cloning shares them: whoever sends them and whoever may have to send some of them again hold the same ones.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Entries(Arc<Vec<Entry>>);

impl Entries {
    /// The entries, to be changed, as long as nobody shares them.
    pub fn get_mut(&mut self) -> Option<&mut [Entry]> {
        Arc::get_mut(&mut self.0).map(Vec::as_mut_slice)
    }
}

impl From<Vec<Entry>> for Entries {
    fn from(entries: Vec<Entry>) -> Self {
        Self(Arc::new(entries))
    }
}

impl FromIterator<Entry> for Entries {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        Vec::from_iter(entries).into()
    }
}

impl Deref for Entries {
    type Target = [Entry];

    fn deref(&self) -> &[Entry] {
        &self.0
    }
}

impl<'a> IntoIterator for &'a Entries {
    type IntoIter = core::slice::Iter<'a, Entry>;
    type Item = &'a Entry;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
