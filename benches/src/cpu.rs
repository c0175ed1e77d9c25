use core::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The CPU time of this process so far: of all its threads, in its own code and in the system's.
pub fn process_cpu() -> Duration {
    cpu(ClockId::ProcessCPUTime)
}

/// The CPU time of this thread so far.
pub fn thread_cpu() -> Duration {
    cpu(ClockId::ThreadCPUTime)
}

fn cpu(clock: ClockId) -> Duration {
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
