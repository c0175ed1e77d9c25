use serde::Serialize;

/// What the service takes for putting, in USD.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Prices {
    /// A GiB into an on-demand stream.
    #[serde(rename = "gb-in")]
    pub(crate) gib_in: f64,
    /// A million payload units into a provisioned stream.
    #[serde(rename = "put-units")]
    pub(crate) million_put_units: f64,
}

/// Where and when the prices without `--price` were those of the list.
pub(super) const PRICES_OF: &str = "us-east-1, November 2025";

impl Default for Prices {
    /// List prices of us-east-1 in November 2025; of on-demand streams, those of On-demand Standard. Sources: the price list
    /// of the service as infracost's tests keep it (`kinesis_stream_test.golden`: 0.000000014 a unit, 0.08 a GB), and for
    /// On-demand Advantage, which takes at least 60 % less, the service's developer guide ("Choose the right mode to stream
    /// in"). Compared with them again in November 2026: they were the same.
    fn default() -> Self {
        Self { gib_in: 0.08, million_put_units: 0.014 }
    }
}

/// What the service counts: a Kinesis record is as many payload units of 25 KiB as it takes, of a provisioned stream, and
/// as many KiB, of an on-demand stream. Source: the service's page of prices, <https://aws.amazon.com/kinesis/data-streams/pricing/>,
/// which says KB, and that one is 1,024 bytes. It speaks of records' data; that keys count is said nowhere.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counted {
    pub(super) kib: u64,
    pub(super) put_units: u64,
}

const KIB: u64 = 1024;
const PUT_UNIT_BYTES: u64 = 25 * KIB;
const KIB_PER_GIB: f64 = (1 << 20) as f64;

impl Counted {
    /// Counts a Kinesis record with so many bytes of data. An empty one counts as much as the smallest.
    pub(super) fn add(&mut self, data: u64) {
        self.kib += data.div_ceil(KIB).max(1);
        self.put_units += data.div_ceil(PUT_UNIT_BYTES).max(1);
    }
}

/// What the records cost, each way of paying by itself.
#[derive(Debug, Serialize)]
pub(super) struct Cost {
    pub(super) provisioned_usd: f64,
    pub(super) put_payload_units: u64,
    pub(super) on_demand_usd: f64,
    pub(super) on_demand_gib: f64,
    pub(super) prices: Prices,
    /// Of the prices that the command line does not name.
    pub(super) prices_of: &'static str,
    pub(super) assumptions: [&'static str; 5],
}

/// What an estimate leaves out, or takes for granted.
const ASSUMPTIONS: [&str; 5] = [
    "every Kinesis record is stored once: retries after a lost answer may store, and cost, it again",
    "aggregates are as full as they get, as when the input comes faster than it is sent",
    "the hours of the shards, or of the stream, are not in it: they cost the same without these records",
    "an on-demand stream is one of On-demand Standard: Advantage takes at least 60 % less (--price gb-in=0.032)",
    "a record is as large as its data: that its key counts is said nowhere",
];

impl Cost {
    pub(super) fn new(counted: Counted, prices: Prices) -> Self {
        let gib = counted.kib as f64 / KIB_PER_GIB;
        Self {
            provisioned_usd: counted.put_units as f64 / 1e6 * prices.million_put_units,
            put_payload_units: counted.put_units,
            on_demand_usd: gib * prices.gib_in,
            on_demand_gib: gib,
            prices,
            prices_of: PRICES_OF,
            assumptions: ASSUMPTIONS,
        }
    }
}

/// An amount with three digits that count, but never less than cents.
pub(super) fn usd(amount: f64) -> String {
    let before = if amount > 0.0 { amount.log10().floor() } else { 0.0 };
    let digits = (2.0 - before).clamp(2.0, 12.0);
    format!("${amount:.*}", digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_counted_in_whole_units() {
        let counted = |sizes: &[u64]| {
            let mut counted = Counted::default();
            sizes.iter().for_each(|&size| counted.add(size));
            (counted.kib, counted.put_units)
        };
        assert_eq!(counted(&[0]), (1, 1));
        assert_eq!(counted(&[1024, 1025]), (3, 2));
        // The size of the KPL's aggregates is two units.
        assert_eq!(counted(&[51_200]), (50, 2));
        assert_eq!(counted(&[5 * 1024, 45 * 1024, 1000 * 1024]), (1050, 43));
    }

    #[test]
    fn a_cost_is_what_is_counted_times_the_price() {
        let counted = Counted { kib: 3 << 20, put_units: 2_000_000 };
        let prices = Prices { gib_in: 0.5, million_put_units: 7.0 };
        let cost = Cost::new(counted, prices);
        assert_eq!((cost.provisioned_usd, cost.on_demand_usd), (14.0, 1.5));
    }

    #[test]
    fn amounts_have_the_digits_that_count() {
        for (amount, text) in [
            (0.0, "$0.00"),
            (0.000_012_345, "$0.0000123"),
            (0.5, "$0.500"),
            (1.2345, "$1.23"),
            (12_345.678, "$12345.68"),
        ] {
            assert_eq!(usd(amount), text);
        }
    }
}
