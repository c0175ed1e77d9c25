//! One page of HTML about a world: what happened where and when, and what was held. It needs no network and no script.

mod axis;
mod lives;
mod load;
mod plots;
mod proofs;
mod recorder;
mod slices;

use core::fmt::{self, Write};
use core::time::Duration;

use headwaters::Instant;
use headwaters_sim::{Outage, Plan, Report};
use indicatif::HumanCount;
use plotters::style::RGBColor;

use self::lives::{Became, Life};
pub(super) use self::load::load_page;
use self::plots::{Heat, Lines, Picture, Rates};
pub(super) use self::recorder::Recorder;
use self::slices::Cell;
use super::output::Output;
use super::plans;
use super::world::{Lived, live};
use crate::exit::{Abort, Exit};
use crate::shards::shard_seconds;

/// What a page is about.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) title: String,
    /// What it is about, in a line.
    pub(super) about: &'a str,
    /// The command that writes it again.
    pub(super) again: String,
    /// What is to stand first: figures and goals, if there are any.
    pub(super) figures: String,
    pub(super) plan: &'a Plan,
}

impl Page<'_> {
    /// Lives through the world once more, and writes what was to be seen.
    pub(super) fn write(&self, mut to: Output) -> Result<(), Abort> {
        let mut recorder = Recorder::default();
        let lived = live(self.plan, &mut recorder);
        let written = to.write(self.html(&recorder, &lived));
        to.end(written, Exit::Delivered).map(|_| ())
    }

    fn html(&self, recorder: &Recorder, lived: &Lived) -> String {
        let mut html = String::new();
        // Writing into a text cannot fail.
        let _ = self.write_html(&mut html, recorder, lived);
        html
    }

    fn write_html(&self, to: &mut String, recorder: &Recorder, lived: &Lived) -> fmt::Result {
        let Self { title, about, again, figures, plan } = self;
        let again = escape(again);
        begin(to, title, about)?;
        match lived {
            Ok(report) => summary(to, report)?,
            Err(broken) => {
                writeln!(to, "<p class=\"bad\">A rule is broken: {}</p>", escape(&broken.rule))?;
            }
        }
        writeln!(to, "<pre class=\"again\">{again}</pre>\n{figures}")?;
        let wrong = "Faults of the way and of the service, and changes of the stream. Bars last; marks are slices of time in \
                     which it happened.";
        pictures(to, recorder, &spans(plan), wrong)?;
        let is_one = plan.producers.get() == 1;
        lives_of(to, recorder, |producer, number| match is_one {
            true => format!("record {number}"),
            false => format!("record {number} of p{producer}"),
        })?;
        if let Ok(report) = lived {
            proofs::write(to, report)?;
        }
        if let Err(broken) = lived {
            let lines = escape(&broken.lines.join("\n"));
            writeln!(to, "<h2>The last of what happened</h2>\n<pre>{lines}</pre>")?;
        }
        let plan = escape(&plans::differences(plan));
        writeln!(
            to,
            "<h2>The plan</h2>\n<p class=\"soft\">What is not as in a stream of one shard on which nothing \
             goes wrong. Times are in milliseconds, chances in a million.</p>"
        )?;
        writeln!(to, "<pre>{plan}</pre>\n</body></html>")
    }
}

/// What every page begins with.
fn begin(to: &mut String, title: &str, about: &str) -> fmt::Result {
    let (title, css) = (escape(title), include_str!("page.css"));
    writeln!(to, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">")?;
    writeln!(to, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">")?;
    writeln!(to, "<title>{title}</title>\n<style>\n{css}</style></head><body>")?;
    writeln!(to, "<h1>{title}</h1>\n<p class=\"soft\">{}</p>", escape(about))
}

fn summary(to: &mut String, report: &Report) -> fmt::Result {
    let sum = |of: fn(&headwaters::EngineStats) -> u64| {
        HumanCount(report.stats.iter().map(of).sum()).to_string()
    };
    let accepted = sum(|stats| stats.accepted);
    let stored = sum(|stats| stats.stored);
    let not_stored = sum(|stats| stats.not_stored);
    let maybe = sum(|stats| stats.maybe_stored);
    let back = sum(|stats| stats.handed_back);
    let throttled = sum(|stats| stats.throttled);
    let p99 = report.latencies.quantile(990_000).as_secs_f64();
    let p99 = if p99 < 10.0 { format!("{:.0} ms", p99 * 1e3) } else { format!("{p99:.1} s") };
    let seconds = report.time.as_secs_f64();
    writeln!(
        to,
        "<p><strong class=\"good\">No rule was broken.</strong> Of {accepted} records {stored} are stored, \
         {not_stored} not, {maybe} maybe; {back} were handed back. {throttled} entries were throttled, {} copies are \
         duplicates. The 99th percentile from acceptance to outcome is {p99}. {seconds:.1} s went by.</p>",
        HumanCount(report.duplicates)
    )
}

fn figure(to: &mut String, title: &str, caption: &str, picture: Option<Picture>) -> fmt::Result {
    let Some(Picture { narrow, wide }) = picture else { return Ok(()) };
    writeln!(to, "<h2>{title}</h2>\n<figure><figcaption>{caption}</figcaption>")?;
    writeln!(to, "<div class=\"wide\">{wide}</div>\n<div class=\"narrow\">{narrow}</div></figure>")
}

fn pictures(
    to: &mut String,
    recorder: &Recorder,
    spans: &[(String, Instant, Instant)],
    wrong: &str,
) -> fmt::Result {
    let left_out = recorder.axis.left_out().as_secs();
    let cut = match left_out {
        0 => String::new(),
        _ => format!(
            " Of the time {left_out} s are left out, in which nothing happened for a minute or more."
        ),
    };
    let faults = plots::faults(recorder, spans);
    figure(to, "What went wrong, and when", &format!("{wrong}{cut}"), faults)?;
    let step = recorder.slices.step().as_secs_f64();
    // Of what it takes in that time, whichever is more.
    let part = |cell: &Cell| shard_seconds(cell.entries, cell.bytes) / step;
    if let Some(heat) = plots::heat(recorder, plots::blue(), 1.0, part) {
        let most = heat.most * 100.0;
        let strongest = match heat.most {
            ..=plots::MUCH => format!("The strongest colour is {most:.0} % of that"),
            _ => format!(
                "The strongest blue is all of that, orange is more by a tenth at least: up to {most:.0} %"
            ),
        };
        let caption = format!(
            "Of the 1 MiB or 1,000 Kinesis records that a shard takes in a second, how much was sent to it, retries included. \
             {strongest}, over {step:.2} s.{}",
            shared(&heat)
        );
        figure(to, "What was sent to which shard", &caption, Some(heat.picture))?;
    }
    let throttled = |cell: &Cell| cell.throttled as f64 / step;
    if let Some(heat) = plots::heat(recorder, plots::red(), f64::INFINITY, throttled) {
        let digits = if heat.most < 10.0 { 2 } else { 0 };
        let most = format!("{:.digits$}", heat.most);
        let caption = format!(
            "Entries that a shard throttled; those that throttled none are left out. The strongest colour is {most} in a second.{}",
            shared(&heat)
        );
        figure(to, "What was throttled, where", &caption, Some(heat.picture))?;
    }
    limiters(to, recorder)?;
    if let Some(lines) = plots::took(recorder) {
        let caption = "From acceptance to outcome, of the records that got theirs in a slice of time. Where there is no line, none did.<br>";
        lines_of(to, "How long records took", caption, lines)?;
    }
    figure(to, "What is held", "Records without an outcome.", plots::held(recorder))
}

fn limiters(to: &mut String, recorder: &Recorder) -> fmt::Result {
    const TITLE: &str = "What the limiters allow";
    match plots::rates(recorder) {
        None => Ok(()),
        Some(Rates::Same(percent)) => writeln!(
            to,
            "<h2>{TITLE}</h2>\n<p class=\"soft\">{percent:.0} % of what a shard promises, to each and all the time.</p>"
        ),
        Some(Rates::Lines(lines)) => {
            let caption = "At which rate the first producer's limiter feeds shards: those that throttled most, and one that did not, \
                           in percent of the 1,000 records a second that a shard promises.<br>";
            lines_of(to, TITLE, caption, lines)
        }
    }
}

/// A figure with a key of its lines.
fn lines_of(
    to: &mut String,
    title: &str,
    caption: &str,
    Lines { names, picture }: Lines,
) -> fmt::Result {
    let mut caption = String::from(caption);
    for (name, RGBColor(red, green, blue)) in names {
        let key = format!("style=\"background:rgb({red},{green},{blue})\"");
        write!(caption, " <span class=\"named\"><span class=\"key\" {key}></span>{name}</span>")?;
    }
    figure(to, title, &caption, Some(picture))
}

/// What to say of shards that share rows.
fn shared(heat: &Heat) -> String {
    let shards = heat.shards_per_row;
    if shards > 1 {
        format!(" Of {shards} shards that share a row the one with most is shown.")
    } else {
        String::new()
    }
}

/// What lasts, by the plan: its name, and from when until when.
fn spans(plan: &Plan) -> Vec<(String, Instant, Instant)> {
    let mut spans = vec![];
    let mut add = |name: &str, (from, to): (u64, u64)| {
        if from < to {
            let [from, to] = [from, to].map(|ms| Instant::ZERO.after(Duration::from_millis(ms)));
            spans.push((String::from(name), from, to));
        }
    };
    let outage = match plan.faults.outage {
        Outage::Credentials => "outage: credentials refused",
        Outage::KmsThrottled => "outage: the key service throttles",
        Outage::Lost => "outage: connections break",
        Outage::Refused => "outage: requests refused",
        Outage::Silent => "outage: no answers",
    };
    add(outage, plan.faults.outage_ms);
    add("the process is frozen", plan.clock.freeze_ms);
    let dead = match plan.faults.dead_shards {
        0 | 1 => String::from("shard 0 is dead"),
        dead => format!("shards 0 to {} are dead", dead - 1),
    };
    add(&dead, (0, if plan.faults.dead_shards > 0 { HEALED_MS } else { 0 }));
    spans
}

/// By then everything heals. Source: `docs/simulator.md`.
const HEALED_MS: u64 = 120_000;

fn lives_of(
    to: &mut String,
    recorder: &Recorder,
    called: impl Fn(u32, u64) -> String,
) -> fmt::Result {
    const SIGNS: &str = "Those that were given up, and those that took most attempts. Thin while a record waits, thick while it is on its way; a cross where an attempt failed, a green dot where \
                         it was stored, a red one where it was given up.";
    let all = [
        ("Lives that were hard", SIGNS, recorder.lives.hardest(), false),
        (
            "Lives like all others",
            "Some from all the time, from when each was put.",
            recorder.lives.ordinary(),
            true,
        ),
    ];
    for (title, caption, lives, is_together) in all {
        let name = |((producer, number), life): &((u32, u64), &Life)| {
            format!("{}, {}", called(*producer, *number), story(life))
        };
        let names: Vec<String> = lives.iter().map(name).collect();
        let lives: Vec<&Life> = lives.into_iter().map(|(_, life)| life).collect();
        figure(to, title, caption, plots::lives(recorder, &lives, &names, is_together))?;
        for (life, name) in lives.into_iter().zip(&names) {
            steps(to, life, name)?;
        }
    }
    Ok(())
}

/// A life in a few words.
fn story(life: &Life) -> String {
    let put = life.start().since(Instant::ZERO).as_secs_f64();
    let time = life.time().as_secs_f64();
    let time = if time < 1.0 { format!("{:.0} ms", time * 1e3) } else { format!("{time:.1} s") };
    let end = match life.steps.last() {
        Some((_, Became::Stored { .. })) => "stored",
        _ => "given up",
    };
    format!("put at {put:.1} s, sent {}×, {end} after {time}", life.sent())
}

fn steps(to: &mut String, life: &Life, name: &str) -> fmt::Result {
    writeln!(
        to,
        "<details><summary>{name}</summary><div class=\"scroll\"><table class=\"small\">"
    )?;
    for (at, became) in &life.steps {
        let at = at.as_nanos() as f64 / 1e9;
        let became = escape(&became.to_string());
        writeln!(to, "<tr><td class=\"number\">{at:.3} s</td><td>{became}</td></tr>")?;
    }
    writeln!(to, "</table></div></details>")
}

impl fmt::Display for Became {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Buffered => f.write_str("accepted, and buffered"),
            Self::Sent(batch) => write!(f, "sent in request {batch}"),
            Self::Failed(code) => write!(f, "failed with {code}, and put back"),
            Self::Stored { maybe_duplicate: false } => f.write_str("stored"),
            Self::Stored { maybe_duplicate: true } => {
                f.write_str("stored, and perhaps by an earlier attempt, too")
            }
            Self::Undelivered(why) => f.write_str(why),
        }
    }
}

/// As a text of HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn html(seed: u64) -> String {
        let plan = Plan::draw(seed);
        let page = Page {
            title: format!("Seed <{seed}>"),
            about: "a & b",
            again: String::from("headwaters sim replay"),
            figures: String::new(),
            plan: &plan,
        };
        let mut recorder = Recorder::default();
        let lived = live(&plan, &mut recorder);
        assert_eq!(lived, live(&plan, &mut ()), "it only looks");
        page.html(&recorder, &lived)
    }

    #[test]
    fn a_page_is_whole_and_needs_nothing_else() {
        for seed in 0..12 {
            let html = html(seed);
            assert!(html.starts_with("<!doctype html>") && html.ends_with("</body></html>\n"));
            assert!(html.contains(&format!("<h1>Seed &lt;{seed}&gt;</h1>")), "{seed}");
            for (open, close) in
                [("<svg", "</svg>"), ("<figure", "</figure>"), ("<table", "</table>")]
            {
                assert_eq!(html.matches(open).count(), html.matches(close).count(), "{open}");
            }
            for elsewhere in ["<script", "<link", "src=", "@import", "url("] {
                assert!(!html.contains(elsewhere), "{elsewhere}");
            }
            assert!(html.len() < 3_000_000, "{} bytes", html.len());
            assert_eq!(
                html.matches("http").count(),
                html.matches("http://www.w3.org/2000/svg").count()
            );
        }
    }

    #[test]
    fn an_hour_of_nothing_leaves_room_for_what_happened() {
        let mut plan = Plan::default();
        plan.caller.records = 1_000;
        plan.clock.freeze_ms = (2_000, 3_602_000);
        let mut recorder = Recorder::default();
        assert!(live(&plan, &mut recorder).is_ok());
        assert!(recorder.axis.left_out().as_secs() > 3_000, "{:?}", recorder.axis);
        assert!(recorder.slices.step().as_secs() < 2, "{:?}", recorder.slices.step());
    }

    #[test]
    fn the_lives_of_a_page_are_whole() {
        let mut plan = Plan::default();
        plan.caller.records = 3_000;
        plan.faults.entry_failure = headwaters_sim::Chance::percent(20);
        let mut recorder = Recorder::default();
        assert!(live(&plan, &mut recorder).is_ok());
        let (lives, ordinary) = (recorder.lives.hardest(), recorder.lives.ordinary());
        assert_eq!((lives.len(), ordinary.len()), (8, 8));
        // They are from all the time.
        let [first, last] = [&ordinary[0], &ordinary[7]].map(|((_, number), _)| *number);
        assert!(first < 300 && last > 2_000, "{first} {last}");
        for (_, life) in lives.iter().chain(&ordinary) {
            let steps: Vec<&Became> = life.steps.iter().map(|(_, became)| became).collect();
            let [Became::Buffered, between @ .., Became::Stored { .. }] = &steps[..] else {
                panic!("{steps:?}");
            };
            for pair in between.chunks(2) {
                assert!(matches!(pair, [Became::Sent(_)] | [Became::Sent(_), Became::Failed(_)]));
            }
        }
        assert!(lives[0].1.steps.len() >= lives[7].1.steps.len() && lives[7].1.steps.len() > 5);
    }
}
