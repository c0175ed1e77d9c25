use std::collections::BTreeMap;

use headwaters::wire::HashKeyRange;

/// The shards that are to be read, parents before children: so the records of a key come in the order in which they
/// were stored.
#[derive(Debug, Default)]
pub(super) struct Lineage {
    shards: BTreeMap<String, Kin>,
}

#[derive(Debug)]
struct Kin {
    keys: HashKeyRange,
    parents: Vec<String>,
    state: State,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// It is being read.
    Begun,
    /// All of it has been read.
    Ended,
    /// One of its parents has not ended.
    Waiting,
}

impl Lineage {
    /// Adds a shard, or parents to one that is known.
    pub(super) fn add(&mut self, id: String, keys: HashKeyRange, parents: Vec<String>) {
        let new = || Kin { keys, parents: vec![], state: State::Waiting };
        let kin = self.shards.entry(id).or_insert_with(new);
        for parent in parents {
            if !kin.parents.contains(&parent) {
                kin.parents.push(parent);
            }
        }
    }

    /// A shard has been read to its end.
    pub(super) fn end(&mut self, id: &str) {
        if let Some(kin) = self.shards.get_mut(id) {
            kin.state = State::Ended;
        }
    }

    /// The shards whose turn it is, once. A parent that is not to be read holds up nobody.
    pub(super) fn begin(&mut self) -> Vec<(String, HashKeyRange)> {
        let waits_for = |parent: &String| {
            self.shards.get(parent).is_some_and(|parent| parent.state != State::Ended)
        };
        let is_next = |kin: &Kin| kin.state == State::Waiting && !kin.parents.iter().any(waits_for);
        let next = self.shards.iter().filter(|(_, kin)| is_next(kin));
        let next: Vec<_> = next.map(|(id, kin)| (id.clone(), kin.keys)).collect();
        for (id, _) in &next {
            if let Some(kin) = self.shards.get_mut(id) {
                kin.state = State::Begun;
            }
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headwaters::wire::HashKey;

    #[test]
    fn a_child_waits_for_all_its_parents_that_are_read() {
        let mut lineage = Lineage::default();
        let add = |lineage: &mut Lineage, id: &str, parents: &[&str]| {
            let keys = HashKeyRange::new(HashKey::new(0), HashKey::new(9)).expect("in order");
            lineage.add(id.into(), keys, parents.iter().map(|id| String::from(*id)).collect());
        };
        let names = |lineage: &mut Lineage| -> Vec<String> {
            lineage.begin().into_iter().map(|(id, _)| id).collect()
        };
        add(&mut lineage, "a", &["gone"]);
        add(&mut lineage, "b", &[]);
        add(&mut lineage, "c", &["a", "b"]);
        assert_eq!(names(&mut lineage), ["a", "b"]);
        assert_eq!(names(&mut lineage), [""; 0]);
        lineage.end("a");
        assert_eq!(names(&mut lineage), [""; 0]);
        // A server may name only some of the parents in one place.
        add(&mut lineage, "d", &["a"]);
        add(&mut lineage, "d", &["b", "a"]);
        assert_eq!(names(&mut lineage), [""; 0]);
        lineage.end("b");
        assert_eq!(names(&mut lineage), ["c", "d"]);
    }
}
