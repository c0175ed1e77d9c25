use core::time::Duration;

use humantime::format_duration;
use indicatif::{HumanBytes, HumanCount};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::minute::{SECONDS, Second};

/// All that is seen, as it is at one moment: what draws it looks at nothing else.
#[derive(Debug, Default)]
pub(super) struct Picture {
    /// Without it, brightness alone tells.
    pub(super) colors: bool,
    pub(super) elapsed: Duration,
    pub(super) held: u64,
    pub(super) held_max: u64,
    /// Requests in flight.
    pub(super) in_flight: u64,
    /// How much of the input is read, in words.
    pub(super) input: String,
    /// Mean time of requests in each second, the latest last.
    pub(super) latency: Vec<Option<Duration>>,
    pub(super) longest: Duration,
    pub(super) messages: Vec<String>,
    pub(super) rate: f64,
    pub(super) retries: u64,
    /// The hottest first: there may be more than lines. Those that are shown are in their order.
    pub(super) shards: Vec<Shard>,
    /// Records that have their outcome.
    pub(super) done: u64,
    pub(super) stream: String,
    pub(super) throttled: u64,
    pub(super) throttled_now: u64,
    /// Keys, with the part of all records that they have.
    pub(super) top_keys: Vec<(String, f64)>,
    /// Records that wait to be sent.
    pub(super) waiting: u64,
}

/// A row of the map.
#[derive(Debug)]
pub(super) struct Shard {
    pub(super) is_open: bool,
    pub(super) name: String,
    /// Its place among all shards.
    pub(super) place: usize,
    /// The latest last.
    pub(super) seconds: Vec<Second>,
    /// In the minute.
    pub(super) throttled: u64,
}

/// How many lines there are beside shards, keys and messages.
const FIXED_LINES: u16 = 9;
/// How many lines keys, and messages, have.
pub(super) const KEYS: u16 = 4;
pub(super) const MESSAGES: u16 = 2;
/// So many shards are shown even where keys and messages have no room beside them then.
const SHARDS_LEAST: usize = 4;
/// How wide the name of a shard is, and all that stands in its line beside its seconds.
const NAME_WIDTH: usize = 5;
const BESIDE_SECONDS: usize = NAME_WIDTH + 15;
/// How wide all is that stands in the line of latencies beside the bars.
const BESIDE_BARS: usize = 36;

/// Draws it.
pub(super) fn draw(picture: &Picture, area: Rect, buffer: &mut Buffer) {
    let rows = usize::from(area.height.saturating_sub(FIXED_LINES + KEYS + MESSAGES));
    let rows = rows.max(picture.shards.len().min(SHARDS_LEAST));
    let lines = lines(picture, rows, usize::from(area.width));
    for (line, y) in lines.iter().zip(area.top()..area.bottom()) {
        buffer.set_line(area.left(), y, line, area.width);
    }
}

fn lines(picture: &Picture, rows: usize, width: usize) -> Vec<Line<'_>> {
    let Picture { done, elapsed, input, rate, stream, .. } = picture;
    let elapsed = format_duration(Duration::from_secs(elapsed.as_secs()));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let seconds = width.saturating_sub(BESIDE_SECONDS).clamp(1, SECONDS);
    let last = if seconds < SECONDS { format!("{seconds} s") } else { String::from("MINUTE") };
    let last = format!("LAST {last}: PART OF WHAT IT TAKES, OR x: IT THROTTLES");
    let last: String = last.chars().take(seconds).collect();
    let mut lines = vec![
        Line::from(vec![
            Span::styled(clean(stream), bold),
            Span::raw(format!("  {} records, {rate:.0}/s{input}, {elapsed}", HumanCount(*done))),
        ]),
        Line::default(),
        Line::styled(
            format!("{:<NAME_WIDTH$} {last:<seconds$} {:>5} {:>7}", "SHARD", "NOW", "x"),
            bold,
        ),
    ];
    // The last row says how many do not fit.
    let all_fit = picture.shards.len() <= rows;
    let shown = if all_fit { rows } else { rows.saturating_sub(1) };
    let mut shards: Vec<_> = picture.shards.iter().take(shown).collect();
    shards.sort_by_key(|shard| shard.place);
    lines.extend(shards.iter().map(|shard| shard.line(seconds, picture.colors)));
    if !all_fit {
        let more = picture.shards.len() - shown;
        lines.push(Line::raw(format!("... and {more} more, none of them hotter")));
    }
    lines.resize(3 + rows, Line::default());
    lines.push(Line::default());
    lines.extend(figures(picture, width.saturating_sub(BESIDE_BARS).min(SECONDS / 2)));
    lines.push(Line::default());
    lines.extend(keys(picture, bold));
    lines.extend(picture.messages.iter().map(|message| Line::raw(clean(message))));
    lines
}

fn figures(picture: &Picture, bars_width: usize) -> [Line<'static>; 3] {
    let Picture { held, held_max, in_flight, latency, longest, retries, .. } = picture;
    let Picture { throttled, throttled_now, waiting, .. } = picture;
    let now = latency.iter().rev().find_map(|latency| *latency).unwrap_or_default();
    [
        Line::raw(format!(
            "latency {:>9}  {}  longest {}",
            millis(now),
            bars(latency, bars_width),
            millis(*longest)
        )),
        Line::raw(format!(
            "retries {:>9}  throttled {} ({} in the last second)",
            HumanCount(*retries).to_string(),
            HumanCount(*throttled),
            HumanCount(*throttled_now)
        )),
        Line::raw(format!(
            "held    {:>9}  of {}, {} records wait, {} requests in flight",
            HumanBytes(*held).to_string(),
            HumanBytes(*held_max),
            HumanCount(*waiting),
            HumanCount(*in_flight)
        )),
    ]
}

fn keys(picture: &Picture, bold: Style) -> Vec<Line<'static>> {
    let mut lines = vec![Line::styled("TOP KEYS: PART OF ALL RECORDS AT LEAST", bold)];
    if picture.top_keys.is_empty() {
        lines.push(Line::raw("no key stands out"));
    }
    let line = |(key, share): &(String, f64)| {
        Line::raw(format!("{:>6.2} %  {}", share * 100.0, clean(key)))
    };
    lines.extend(picture.top_keys.iter().take(usize::from(KEYS)).map(line));
    lines.resize(1 + usize::from(KEYS), Line::default());
    lines
}

impl Shard {
    /// With so many of its seconds.
    fn line(&self, seconds: usize, colors: bool) -> Line<'static> {
        let name: String = clean(&self.name).chars().take(NAME_WIDTH).collect();
        let mut spans = vec![Span::raw(format!("{name:<NAME_WIDTH$} "))];
        let missing = seconds.saturating_sub(self.seconds.len());
        spans.push(Span::raw(" ".repeat(missing)));
        let shown = self.seconds.len().saturating_sub(seconds);
        spans.extend(self.seconds[shown..].iter().map(|second| cell(second, colors)));
        let now = self.seconds.last().map_or(0.0, |second| second.load * 100.0);
        let now = if self.is_open { format!("{now:>3.0} %") } else { String::from(" gone") };
        let throttled = HumanCount(self.throttled).to_string();
        spans.push(Span::raw(format!(" {now} {throttled:>7}")));
        Line::from(spans)
    }
}

/// A second of a shard: brighter is more, and hotter.
fn cell(second: &Second, colors: bool) -> Span<'static> {
    let (symbol, color) = match second.load {
        _ if second.throttled > 0 => ("x", Color::Red),
        load if load <= 0.0 => (" ", Color::Reset),
        load if load < 0.25 => ("\u{b7}", Color::Blue),
        load if load < 0.5 => ("\u{2591}", Color::Cyan),
        load if load < 0.75 => ("\u{2592}", Color::Green),
        load if load <= 1.0 => ("\u{2593}", Color::Yellow),
        _ => ("\u{2588}", Color::LightRed),
    };
    let style = if colors { Style::new().fg(color) } else { Style::new() };
    Span::styled(symbol, style)
}

/// A bar for each of the last seconds, as high as its part of the highest.
fn bars(latency: &[Option<Duration>], width: usize) -> String {
    const BARS: [char; 8] = [
        '\u{2581}', '\u{2582}', '\u{2583}', '\u{2584}', '\u{2585}', '\u{2586}', '\u{2587}',
        '\u{2588}',
    ];
    let highest = latency.iter().flatten().max().map_or(0.0, Duration::as_secs_f64);
    let bar = |latency: &Option<Duration>| match latency {
        Some(latency) if highest > 0.0 => {
            let part = latency.as_secs_f64() / highest * (BARS.len() - 1) as f64;
            BARS[(part.round() as usize).min(BARS.len() - 1)]
        }
        Some(_) => BARS[0],
        None => ' ',
    };
    let shown = latency.len().saturating_sub(width);
    format!("{:>width$}", latency[shown..].iter().map(bar).collect::<String>())
}

fn millis(time: Duration) -> String {
    let millis = time.as_secs_f64() * 1e3;
    if millis < 10.0 { format!("{millis:.1} ms") } else { format!("{millis:.0} ms") }
}

/// The text without anything that a terminal would obey, or that would change the order of what it shows.
pub(super) fn clean(text: &str) -> String {
    let obeyed = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    text.chars().map(|c| if obeyed(c) { '\u{fffd}' } else { c }).collect()
}
