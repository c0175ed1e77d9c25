use core::str::FromStr;

use clap::Args;

use crate::dry_run::Prices;
use crate::shards::Shards;

/// What `--dry-run` needs to know.
#[derive(Args, Debug)]
pub(crate) struct DryRunArguments {
    /// Put nothing, and say how it would spread and what it would cost
    ///
    /// The input is read. It says how many requests it takes at least, too
    #[arg(long, help_heading = "Delivery", verbatim_doc_comment)]
    #[arg(conflicts_with_all = ["acks", "failed", "deadline", "dashboard", "prometheus", "resume"])]
    pub(crate) dry_run: bool,

    /// So many even shards, and nobody is asked [default: those that ListShards
    /// tells, which needs credentials; with --local the shards of that stream]
    #[arg(long, value_name = "N", requires = "dry_run", conflicts_with = "local")]
    #[arg(help_heading = "Dry run", verbatim_doc_comment, hide_short_help = true)]
    pub(crate) shards: Option<Shards>,

    /// Another price, in USD: put-units=0.014 for a million payload units,
    /// gb-in=0.08 for a GiB into an on-demand stream (0.032: On-demand Advantage)
    #[arg(long, value_name = "NAME=USD", requires = "dry_run", help_heading = "Dry run")]
    #[arg(verbatim_doc_comment, hide_short_help = true)]
    pub(crate) price: Vec<Price>,
}

impl DryRunArguments {
    /// The prices, with those of the command line.
    pub(crate) fn prices(&self) -> Prices {
        let mut prices = Prices::default();
        for &Price { what, usd } in &self.price {
            *match what {
                Priced::GibIn => &mut prices.gib_in,
                Priced::PutUnits => &mut prices.million_put_units,
            } = usd;
        }
        prices
    }
}

/// One price of the command line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Price {
    usd: f64,
    what: Priced,
}

#[derive(Clone, Copy, Debug)]
enum Priced {
    GibIn,
    PutUnits,
}

impl FromStr for Price {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, usd) = text.split_once('=').ok_or("a price is NAME=USD")?;
        let what = match name {
            "gb-in" => Priced::GibIn,
            "put-units" => Priced::PutUnits,
            _ => return Err("there are the prices put-units and gb-in"),
        };
        let usd = usd.parse().ok().filter(|usd: &f64| (0.0..=1e6).contains(usd));
        Ok(Self { usd: usd.ok_or("it is a number of USD")?, what })
    }
}
