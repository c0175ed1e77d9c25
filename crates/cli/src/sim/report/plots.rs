//! Pictures of a world, as SVG. Colours that must be read on light and on dark paper have an opacity or lie between both; the
//! page's style sheet gives texts their colour.

use core::ops::Range;
use std::collections::{BTreeMap, BTreeSet};

use headwaters::Instant;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::axis::Axis;
use super::lives::{Became, Life};
use super::recorder::Recorder;
use super::slices::{Cell, Slice};

/// A picture in both widths that a page has room for.
#[derive(Debug)]
pub(super) struct Picture {
    /// For a phone.
    pub(super) narrow: String,
    pub(super) wide: String,
}

type Drawn = Result<(), DrawingAreaErrorKind<std::io::Error>>;
type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

const WIDE: u32 = 880;
const NARROW: u32 = 356;
const TEXT_PX: i32 = 13;
const ROW_PX: u32 = 16;
/// Room for the axis of time, and above a chart.
const AXIS_PX: u32 = 44;
const MARGIN_PX: u32 = 8;

const GRAY: RGBColor = RGBColor(128, 128, 128);
const BLUE: RGBColor = RGBColor(42, 120, 214);
const RED: RGBColor = RGBColor(214, 58, 66);
const GREEN: RGBColor = RGBColor(22, 148, 84);
const ORANGE: RGBColor = RGBColor(214, 128, 20);
/// Of lines that are told apart by their names, too.
const LINES: [RGBColor; 4] = [BLUE, ORANGE, GREEN, RED];

/// Draws it twice. Writing into a text cannot fail, so that what comes is a picture or empty.
fn picture(height: u32, draw: impl Fn(&Area<'_>, u32) -> Drawn) -> Picture {
    let of = |width: u32| {
        let mut svg = String::new();
        let drawn = {
            let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
            draw(&area, width).and_then(|()| area.present())
        };
        // Its size is the page's to say.
        let size = format!("width=\"{width}\" height=\"{height}\" ");
        drawn.map(|()| svg.replacen(&size, "", 1)).unwrap_or_default()
    };
    Picture { narrow: of(NARROW), wide: of(WIDE) }
}

fn text() -> TextStyle<'static> {
    ("sans-serif", TEXT_PX).into_font().color(&GRAY)
}

/// What a chart is drawn on.
struct Axes<'a> {
    time: Range<f64>,
    /// Whose seconds these are; none: they are no moments.
    axis: Option<&'a Axis>,
    unit: &'static str,
    rows: Range<f64>,
    /// Room for what rows are called, in pixels,
    left: u32,
    /// what that is,
    label: &'a dyn Fn(&f64) -> String,
    /// and of how many at most.
    labels: usize,
}

/// A chart with its axes.
fn chart<'a, 'b>(
    area: &'a Area<'b>,
    axes: Axes<'_>,
) -> Result<Chart<'a, 'b>, DrawingAreaErrorKind<std::io::Error>> {
    let Axes { time, axis, unit, rows, left, label, labels } = axes;
    let mut chart = ChartBuilder::on(area)
        .margin(MARGIN_PX)
        .x_label_area_size(AXIS_PX - MARGIN_PX)
        .y_label_area_size(left)
        .build_cartesian_2d(time.start..time.end.max(time.start + 1e-3), rows)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(GRAY)
        .label_style(text())
        .x_desc(unit)
        .x_labels(if area.dim_in_pixel().0 > NARROW { 10 } else { 5 })
        .x_label_formatter(&|at| short(axis.map_or(*at, |axis| axis.second(*at))))
        .y_labels(labels)
        .y_label_formatter(&|at| label(at))
        .draw()?;
    Ok(chart)
}

/// As few digits as say it.
fn short(value: f64) -> String {
    let says = |digits: &i32| {
        let scaled = value * 10_f64.powi(*digits);
        (scaled - scaled.round()).abs() < 1e-6
    };
    let most = match value {
        ..1.0 => 3,
        ..10.0 => 2,
        ..1_000.0 => 1,
        _ => 0,
    };
    let digits = (0..most).find(says).unwrap_or(most) as usize;
    format!("{value:.digits$}")
}

/// Most rows of a heat map; more shards than that share them.
const HEAT_ROWS: u64 = 64;
/// Most of them that are called by their numbers.
const HEAT_LABELS: u64 = 12;

/// From where on more is much more.
pub(super) const MUCH: f64 = 1.1;

/// A heat map, and what its reader must know.
#[derive(Debug)]
pub(super) struct Heat {
    /// The most that a shard had in a slice of time.
    pub(super) most: f64,
    pub(super) picture: Picture,
    /// How many shards share a row.
    pub(super) shards_per_row: u64,
}

/// What each shard had: rows of shards, columns of time, and the more the stronger the colour, up to `cap`; what is much beyond that
/// is orange. Shards that never had anything are left out. `None` if there is nothing.
pub(super) fn heat(
    recorder: &Recorder,
    colour: RGBColor,
    cap: f64,
    of: impl Fn(&Cell) -> f64,
) -> Option<Heat> {
    let slices: Vec<(f64, &Slice)> = recorder.slices.all().collect();
    let cells = slices.iter().flat_map(|(_, slice)| &slice.cells);
    let used = cells.filter(|(_, cell)| of(cell) > 0.0).map(|(number, _)| *number);
    let numbers: Vec<Option<u64>> = used.collect::<BTreeSet<_>>().into_iter().collect();
    let per_row = (numbers.len() as u64).div_ceil(HEAT_ROWS).max(1);
    let rows = (numbers.len() as u64).div_ceil(per_row);
    let row_of: BTreeMap<Option<u64>, u64> =
        numbers.iter().enumerate().map(|(at, number)| (*number, at as u64 / per_row)).collect();
    // Of shards that share a row the one with most is shown, so that none hides among others.
    let mut heat: BTreeMap<(usize, u64), f64> = BTreeMap::new();
    for (at, (_, slice)) in slices.iter().enumerate() {
        for (number, cell) in slice.cells.iter().filter(|(_, cell)| of(cell) > 0.0) {
            let most = heat.entry((at, row_of[number])).or_default();
            *most = of(cell).max(*most);
        }
    }
    let most = heat.values().copied().fold(0.0, f64::max);
    if most == 0.0 {
        return None;
    }
    let full = most.min(cap);
    let (end, step) = (end(recorder), recorder.slices.step().as_secs_f64());
    let name = |row: &f64| {
        // Between two rows there is none.
        let is_row = (row - row.round()).abs() < 1e-6 && *row > -0.5;
        match numbers.get((row.round().max(0.0) as u64 * per_row) as usize) {
            Some(Some(number)) if is_row => number.to_string(),
            Some(None) if is_row => String::from("?"),
            _ => String::new(),
        }
    };
    let row_px = match rows {
        0..=16 => ROW_PX,
        17..=32 => 12,
        _ => 6,
    };
    let picture = picture(rows.max(2) as u32 * row_px + AXIS_PX + MARGIN_PX, |area, _| {
        let rows = -0.5..rows as f64 - 0.5;
        let labels = numbers.len().min(HEAT_LABELS as usize);
        let mut chart = chart(area, Axes { rows, ..over(recorder, &name, labels) })?;
        chart.draw_series(heat.iter().map(|((at, row), amount)| {
            let from = (*at as f64 * step, *row as f64 - 0.5);
            let to = ((from.0 + step).min(end), from.1 + 1.0);
            // The root, so that a little is told from nothing, and from twice as much.
            let part = (amount / full).sqrt();
            let colour = if part > MUCH.sqrt() {
                ORANGE.mix(1.0)
            } else {
                colour.mix(0.08 + 0.92 * part.min(1.0))
            };
            Rectangle::new([from, to], colour.filled())
        }))?;
        Ok(())
    });
    Some(Heat { most, picture, shards_per_row: per_row })
}

/// Axes over all of the time, with names at the left.
fn over<'a>(recorder: &'a Recorder, label: &'a dyn Fn(&f64) -> String, labels: usize) -> Axes<'a> {
    let (time, axis) = (0.0..end(recorder), Some(&recorder.axis));
    Axes { time, axis, unit: "seconds", rows: 0.0..1.0, left: 50, label, labels }
}

fn end(recorder: &Recorder) -> f64 {
    seconds(recorder.axis.end())
}

fn seconds(at: Instant) -> f64 {
    at.as_nanos() as f64 / 1e9
}

/// Lines, with what they are called.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) names: Vec<(String, RGBColor)>,
    pub(super) picture: Picture,
}

/// What the limiters of the first engine allowed.
#[derive(Debug)]
pub(super) enum Rates {
    /// The shards that throttled most, and one that did not, in percent of what they promise.
    Lines(Lines),
    /// Always the same, everywhere.
    Same(f64),
}

/// `None` if no rate is limited.
pub(super) fn rates(recorder: &Recorder) -> Option<Rates> {
    let mut sums: BTreeMap<Option<u64>, (u64, u64)> = BTreeMap::new();
    let mut range: Option<(u64, u64)> = None;
    for (_, slice) in recorder.slices.all() {
        for (number, cell) in &slice.cells {
            let Some(ppm) = cell.rate_ppm else { continue };
            let (least, most) = range.unwrap_or((ppm, ppm));
            range = Some((least.min(ppm), most.max(ppm)));
            let sum = sums.entry(*number).or_default();
            (sum.0, sum.1) = (sum.0 + cell.throttled, sum.1 + cell.entries);
        }
    }
    let (least, most) = range.map(|(least, most)| (percent(least), percent(most)))?;
    if most - least < 0.5 {
        return Some(Rates::Same(most));
    }
    let mut order: Vec<_> = sums.into_iter().collect();
    order.sort_by_key(|&(number, sums)| (core::cmp::Reverse(sums), number));
    // Behind those that throttled comes the busiest that did not.
    let throttled = order.iter().take_while(|(_, (throttled, _))| *throttled > 0).count();
    let shown = order[..throttled.min(LINES.len() - 1)].iter().chain(order.get(throttled));
    let (mut lines, mut names) = (Vec::new(), Vec::new());
    for (&(number, (throttled, _)), colour) in shown.zip(LINES) {
        let rate =
            |(at, slice): (f64, &Slice)| Some((at, percent(slice.cells.get(&number)?.rate_ppm?)));
        lines.push(recorder.slices.all().filter_map(rate).collect());
        let name =
            number.map_or(String::from("no known shard"), |number| format!("shard {number}"));
        let more = if throttled > 0 { "" } else { ", which throttled nothing" };
        names.push((name + more, colour));
    }
    let label = |value: &f64| format!("{}%", thousands(*value));
    Some(Rates::Lines(Lines { names, picture: curves(recorder, &lines, f64::INFINITY, &label) }))
}

fn percent(ppm: u64) -> f64 {
    ppm as f64 / 10_000.0
}

/// How many records all engines hold. `None` if it was never looked at.
pub(super) fn held(recorder: &Recorder) -> Option<Picture> {
    let held = |(at, slice): (f64, &Slice)| Some((at, slice.records_held()? as f64));
    let line: Vec<_> = recorder.slices.all().filter_map(held).collect();
    let is_some = line.iter().any(|(_, held)| *held > 0.0);
    is_some.then(|| curves(recorder, &[line], f64::INFINITY, &|value| thousands(*value)))
}

/// How long records took: the mean and the longest of each slice. `None` if none ended.
pub(super) fn took(recorder: &Recorder) -> Option<Lines> {
    let times = |which: usize| -> Vec<(f64, f64)> {
        let time = |(at, slice): (f64, &Slice)| {
            Some((at, slice.took.mean_and_longest()?[which].as_secs_f64()))
        };
        recorder.slices.all().filter_map(time).collect()
    };
    let lines = [times(0), times(1)];
    let most = lines[1].iter().map(|(_, time)| *time).fold(0.0, f64::max);
    let label = |value: &f64| {
        if most < 2.0 { format!("{:.0} ms", value * 1e3) } else { format!("{} s", short(*value)) }
    };
    // A slice or two in which none ended are no gap yet.
    let gap = 3.5 * recorder.slices.step().as_secs_f64();
    let names = ["mean", "longest"].map(String::from).into_iter().zip(LINES).collect();
    (most > 0.0).then(|| Lines { names, picture: curves(recorder, &lines, gap, &label) })
}

/// Lines; between points that are further apart than `gap` seconds there is none.
fn curves(
    recorder: &Recorder,
    lines: &[Vec<(f64, f64)>],
    gap: f64,
    label: &dyn Fn(&f64) -> String,
) -> Picture {
    let most = lines.iter().flatten().map(|(_, value)| *value).fold(1e-9, f64::max);
    picture(190, |area, _| {
        let axes = Axes { rows: 0.0..most * 1.05, ..over(recorder, label, 5) };
        let mut chart = chart(area, axes)?;
        for (line, colour) in lines.iter().zip(LINES) {
            for part in line.chunk_by(|one, next| next.0 - one.0 <= gap) {
                match part {
                    [one] => {
                        chart.draw_series([Circle::new(*one, 2, colour.filled())])?;
                    }
                    part => {
                        let part = part.iter().copied();
                        chart.draw_series(LineSeries::new(part, colour.stroke_width(2)))?;
                    }
                }
            }
        }
        Ok(())
    })
}

fn thousands(value: f64) -> String {
    if value >= 10_000.0 { format!("{:.0}k", value / 1_000.0) } else { format!("{value:.0}") }
}

/// What happened when that no engine knows of: faults, changes of the stream. A row for each, with how often it was. `spans` last: an outage, a
/// freeze.
pub(super) fn faults(recorder: &Recorder, spans: &[(String, Instant, Instant)]) -> Option<Picture> {
    let mut rows: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, slice) in recorder.slices.all() {
        for (fault, count) in &slice.faults {
            *rows.entry(fault).or_default() += count;
        }
    }
    let rows: Vec<(&str, u64)> = rows.into_iter().collect();
    let count = rows.len() + spans.len();
    if count == 0 {
        return None;
    }
    let (end, step) = (end(recorder), recorder.slices.step().as_secs_f64());
    let height = count as u32 * (2 * ROW_PX) + AXIS_PX + MARGIN_PX;
    Some(picture(height, |area, _| {
        let axes = Axes { rows: 0.0..count as f64, left: 0, ..over(recorder, &nameless, 0) };
        let mut chart = chart(area, axes)?;
        for (row, (_, from, to)) in spans.iter().enumerate() {
            let y = (count - 1 - row) as f64;
            let [from, to] = [from, to].map(|at| seconds(recorder.axis.shown(*at)));
            let span = [(from, y + 0.1), (to.min(end), y + 0.45)];
            chart.draw_series([Rectangle::new(span, RED.mix(0.7).filled())])?;
        }
        for (at, slice) in recorder.slices.all() {
            let marks =
                rows.iter().enumerate().filter(|(_, (name, _))| slice.faults.contains_key(*name));
            chart.draw_series(marks.map(|(row, _)| {
                let y = (rows.len() - 1 - row) as f64;
                let mark = [(at, y + 0.1), ((at + step).min(end), y + 0.45)];
                Rectangle::new(mark, ORANGE.filled())
            }))?;
        }
        let names = spans.iter().map(|(name, ..)| name.clone());
        let names = names.chain(rows.iter().map(|(name, count)| format!("{name} × {count}")));
        chart.draw_series(
            names
                .enumerate()
                .map(|(row, name)| Text::new(name, (0.0, (count - row) as f64 - 0.05), text())),
        )?;
        Ok(())
    }))
}

/// Rows have no names at the left: these stand above them.
fn nameless(_: &f64) -> String {
    String::new()
}

/// A row for each of these lives, with its name above: a line from its acceptance to its outcome, thick while it was on its way. The
/// hardest are shown when they were; of the others it matters for how long, so that they begin together.
pub(super) fn lives(
    recorder: &Recorder,
    lives: &[&Life],
    names: &[String],
    is_together: bool,
) -> Option<Picture> {
    if lives.is_empty() {
        return None;
    }
    let place = |life: &Life, at: Instant| {
        let shown = |at: Instant| seconds(recorder.axis.shown(at));
        if is_together { shown(at) - shown(life.start()) } else { shown(at) }
    };
    let times = lives.iter().flat_map(|life| life.steps.iter().map(|(at, _)| place(life, *at)));
    let (first, last) =
        times.fold((f64::MAX, 0.0), |(first, last), at| (at.min(first), at.max(last)));
    // The unit that has digits before its point.
    let (scale, unit) = match (is_together, last < 1.0) {
        (true, true) => (1e3, "milliseconds since each was put"),
        (true, false) => (1.0, "seconds since each was put"),
        (false, _) => (1.0, "seconds"),
    };
    let place = |life: &Life, at: Instant| place(life, at) * scale;
    let margin = (last - first).max(1e-3) * 0.02;
    let time = (first - margin).max(0.0) * scale..(last + margin) * scale;
    let (start, axis) = (time.start, (!is_together).then_some(&recorder.axis));
    let height = lives.len() as u32 * (2 * ROW_PX) + AXIS_PX + MARGIN_PX;
    Some(picture(height, |area, _| {
        let rows = 0.0..lives.len() as f64;
        let time = time.clone();
        let axes = Axes { time, axis, unit, rows, left: 0, label: &nameless, labels: 0 };
        let mut chart = chart(area, axes)?;
        for (row, life) in lives.iter().enumerate() {
            let y = (lives.len() - 1 - row) as f64 + 0.3;
            draw_life(&mut chart, life, y, &|at| place(life, at))?;
            let name = Text::new(names[row].clone(), (start, y + 0.65), text());
            chart.draw_series([name])?;
        }
        Ok(())
    }))
}

fn draw_life(
    chart: &mut Chart<'_, '_>,
    life: &Life,
    y: f64,
    shown: &dyn Fn(Instant) -> f64,
) -> Drawn {
    for pair in life.steps.windows(2) {
        let [from, to] = [&pair[0], &pair[1]].map(|(at, _)| shown(*at));
        let (width, colour) = match pair[0].1 {
            Became::Sent(_) => (6, BLUE.mix(0.8)),
            _ => (2, GRAY.mix(0.8)),
        };
        let line = PathElement::new([(from, y), (to, y)], colour.stroke_width(width));
        chart.draw_series([line])?;
    }
    for (at, became) in &life.steps {
        let at = (shown(*at), y);
        match became {
            Became::Buffered | Became::Sent(_) => {}
            Became::Failed(_) => {
                chart.draw_series([Cross::new(at, 4, ORANGE.stroke_width(2))])?;
            }
            Became::Stored { .. } => {
                chart.draw_series([Circle::new(at, 4, GREEN.filled())])?;
            }
            Became::Undelivered(_) => {
                chart.draw_series([Circle::new(at, 4, RED.filled())])?;
            }
        }
    }
    Ok(())
}

pub(super) const fn red() -> RGBColor {
    RED
}

pub(super) const fn blue() -> RGBColor {
    BLUE
}
