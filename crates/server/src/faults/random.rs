/// Chance that depends on nothing but the seed, the fault and the number of the request (SplitMix64): whatever other
/// requests come in between, and in which order, the same ones are hit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new(seed: u64, fault: u64) -> Self {
        Self(seed ^ fault.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// Goes to the place of a request.
    pub(crate) fn jump(&mut self, request: u64) {
        self.0 ^= request.wrapping_mul(0x2545_f491_4f6c_dd1d);
        self.next();
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// From 0 to below 1.
    pub(crate) fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
