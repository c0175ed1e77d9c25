use std::collections::BTreeMap;

use headwaters::Instant;
use headwaters_sim::{Engine, Kind, Line, Step, Watch};

use super::axis::Axis;
use super::lives::Lives;
use super::slices::{Cell, Slices};

/// Sees a world, and keeps as much of it as a page can show, however long the world is.
#[derive(Debug, Default)]
pub(in crate::sim) struct Recorder {
    pub(super) axis: Axis,
    pub(super) slices: Slices,
    pub(super) lives: Lives,
    /// What each engine said of each of its shards when it was last looked at.
    last: BTreeMap<(u32, Option<u64>), Cell>,
    /// When each engine is looked at next.
    next: BTreeMap<u32, Instant>,
}

impl Recorder {
    /// Time has gone on.
    pub(in crate::sim) fn reach(&mut self, at: Instant) {
        self.axis.reach(at);
    }

    /// Something of this name went wrong.
    pub(in crate::sim) fn count(&mut self, at: Instant, name: &str) {
        self.axis.reach(at);
        self.slices.at(self.axis.shown(at)).count(name);
    }
}

impl Watch for Recorder {
    fn see(&mut self, line: Line<'_>) {
        self.reach(line.at);
        if line.kind != Kind::World {
            return;
        }
        let what = line.what.to_string();
        let mut words = what.split(' ');
        let name = match (words.next(), words.next()) {
            (Some("fault"), Some(name)) => name,
            (Some(name), _) => name,
            (None, _) => return,
        };
        self.count(line.at, name);
    }

    fn look(&mut self, at: Instant, producer: u32, engine: &Engine) {
        let stats = engine.stats();
        let held = stats.buffered + stats.in_flight;
        let next = self.next.entry(producer).or_insert(Instant::ZERO);
        // An engine that holds nothing may not be seen again.
        if at < *next && held > 0 {
            return;
        }
        *next = at.after(self.slices.step() / 2);
        let slice = self.slices.at(self.axis.shown(at));
        slice.held(producer, held);
        for shard in engine.shard_stats() {
            let number = shard.shard.as_ref().and_then(headwaters::wire::ShardId::number);
            let now = Cell::of(&shard);
            let last = self.last.insert((producer, number), now).unwrap_or_default();
            slice.add(number, &now.since(&last), producer);
        }
    }

    fn follow(&mut self, step: Step<'_>) {
        // A time in which nothing happened is known as such only then.
        self.reach(step.at);
        let slice = self.slices.at(self.axis.shown(step.at));
        self.lives.follow(step, &mut |time| slice.took(time));
    }
}
