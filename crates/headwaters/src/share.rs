//! How what several producers share is divided: whoever holds some of it leaves as much to the others.

/// Whether one of several producers may hold this much, if so much is free then.
///
/// Source: A. Choudhury and E. Hahne, "Dynamic queue length thresholds for shared-memory packet switches", with a factor
/// of one. The engine has four for its shards, which the rate of a shard empties; a stream that is dead keeps what it holds
/// until it expires, and two of them would leave a fifth of a fifth.
pub(crate) const fn is_fair(held: usize, free: usize) -> bool {
    held <= free
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much each of so many producers has in the end that want everything, one after the other or all at a time.
    fn parts(producers: usize, all: usize, in_turn: bool) -> Vec<usize> {
        let mut held = vec![0; producers];
        loop {
            let before = held.clone();
            for one in 0..producers {
                loop {
                    let free = all - held.iter().sum::<usize>();
                    if free == 0 || held[one] > 0 && !is_fair(held[one] + 1, free - 1) {
                        break;
                    }
                    held[one] += 1;
                    if in_turn {
                        break;
                    }
                }
            }
            if held == before {
                return held;
            }
        }
    }

    #[test]
    fn there_is_something_left_for_one_more() {
        assert_eq!(parts(1, 100, true), [50]);
        assert_eq!(parts(3, 100, true), [25; 3]);
        assert_eq!(parts(3, 100, false), [50, 25, 12], "one has it before the next one comes");
        assert_eq!(parts(1, 1, true), [1], "who holds nothing needs nothing but room");
        assert_eq!(parts(2, 2, true), [1, 1]);
    }
}
