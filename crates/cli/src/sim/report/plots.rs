//! Pictures of a world, as SVG. Colours that must be read on light and on dark paper have an opacity or lie between both; the
//! page's style sheet gives texts their colour.

use std::collections::{BTreeMap, BTreeSet};

use headwaters::Instant;
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

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

/// A chart over the time of the world, with its axes.
fn chart<'a, 'b>(
    area: &'a Area<'b>,
    recorder: &Recorder,
    (start, end): (f64, f64),
    rows: f64,
    left: u32,
    label: &dyn Fn(&f64) -> String,
    labels: usize,
) -> Result<Chart<'a, 'b>, DrawingAreaErrorKind<std::io::Error>> {
    let mut chart = ChartBuilder::on(area)
        .margin(MARGIN_PX)
        .x_label_area_size(AXIS_PX - MARGIN_PX)
        .y_label_area_size(left)
        .build_cartesian_2d(start..end.max(start + 1e-3), 0.0..rows.max(1e-9))?;
    chart
        .configure_mesh()
        .disable_mesh()
        .axis_style(GRAY)
        .label_style(text())
        .x_desc("seconds")
        .x_labels(if area.dim_in_pixel().0 > NARROW { 10 } else { 5 })
        .x_label_formatter(&|at| short(recorder.axis.second(*at)))
        .y_labels(labels)
        .y_label_formatter(&|at| label(at))
        .draw()?;
    Ok(chart)
}

/// As few digits as say it.
fn short(value: f64) -> String {
    let digits = if value.fract().abs() < 1e-9 {
        0
    } else if value < 10.0 {
        2
    } else {
        1
    };
    format!("{value:.digits$}")
}

/// Most rows of a heat map; more shards than that share them.
const HEAT_ROWS: u64 = 32;

/// A heat map, and what its reader must know.
#[derive(Debug)]
pub(super) struct Heat {
    /// What the strongest colour stands for, in one slice.
    pub(super) most: u64,
    pub(super) picture: Picture,
    /// How many shards share a row.
    pub(super) shards_per_row: u64,
}

/// What there is of each shard: rows of shards, columns of time, and the more the stronger the colour. `None` if there is
/// nothing.
pub(super) fn heat(
    recorder: &Recorder,
    colour: RGBColor,
    of: impl Fn(&Cell) -> u64,
) -> Option<Heat> {
    let slices: Vec<(f64, &Slice)> = recorder.slices.all().collect();
    // Those that were never sent anything are left out.
    let cells = slices.iter().flat_map(|(_, slice)| &slice.cells);
    let used = cells.filter(|(_, cell)| cell.entries > 0).map(|(number, _)| *number);
    let numbers: Vec<Option<u64>> = used.collect::<BTreeSet<_>>().into_iter().collect();
    let per_row = (numbers.len() as u64).div_ceil(HEAT_ROWS).max(1);
    let rows = (numbers.len() as u64).div_ceil(per_row);
    let row_of: BTreeMap<Option<u64>, u64> =
        numbers.iter().enumerate().map(|(at, number)| (*number, at as u64 / per_row)).collect();
    let mut heat: BTreeMap<(usize, u64), u64> = BTreeMap::new();
    for (at, (_, slice)) in slices.iter().enumerate() {
        for (number, cell) in slice.cells.iter().filter(|(_, cell)| of(cell) > 0) {
            *heat.entry((at, row_of[number])).or_default() += of(cell);
        }
    }
    let most = heat.values().max().copied()?;
    let (end, step) = (end(recorder), recorder.slices.step().as_secs_f64());
    let name = |row: &f64| {
        let at = (*row as u64 * per_row) as usize;
        match numbers.get(at) {
            Some(Some(number)) => number.to_string(),
            Some(None) => String::from("?"),
            None => String::new(),
        }
    };
    let height = rows.max(3) as u32 * ROW_PX.min(12) + AXIS_PX + MARGIN_PX;
    let picture = picture(height, |area, _| {
        let labels = rows.min(8) as usize;
        let mut chart = chart(area, recorder, (0.0, end), rows as f64, 50, &name, labels)?;
        chart.draw_series(heat.iter().map(|((at, row), count)| {
            let from = (*at as f64 * step, *row as f64);
            let to = ((from.0 + step).min(end), from.1 + 1.0);
            let part = *count as f64 / most as f64;
            Rectangle::new([from, to], colour.mix(0.12 + 0.88 * part).filled())
        }))?;
        Ok(())
    });
    Some(Heat { most, picture, shards_per_row: per_row })
}

fn end(recorder: &Recorder) -> f64 {
    seconds(recorder.axis.end())
}

fn seconds(at: Instant) -> f64 {
    at.as_nanos() as f64 / 1e9
}

/// The rates at which the first engine feeds the shards that throttled most, in percent of what they promise; with the names of
/// the lines. `None` if no rate is limited.
pub(super) fn rates(recorder: &Recorder) -> Option<(Picture, Vec<(String, RGBColor)>)> {
    let mut throttled: BTreeMap<Option<u64>, (u64, u64)> = BTreeMap::new();
    for (_, slice) in recorder.slices.all() {
        for (number, cell) in slice.cells.iter().filter(|(_, cell)| cell.rate_ppm.is_some()) {
            let sum = throttled.entry(*number).or_default();
            (sum.0, sum.1) = (sum.0 + cell.throttled, sum.1 + cell.entries);
        }
    }
    let mut order: Vec<_> = throttled.into_iter().collect();
    order.sort_by_key(|&(number, sums)| (core::cmp::Reverse(sums), number));
    order.truncate(LINES.len());
    let line = |number: Option<u64>| -> Vec<(f64, f64)> {
        let rate = |(at, slice): (f64, &Slice)| {
            let ppm = slice.cells.get(&number)?.rate_ppm?;
            Some((at, ppm as f64 / 10_000.0))
        };
        recorder.slices.all().filter_map(rate).collect()
    };
    let lines: Vec<_> = order.iter().map(|&(number, _)| line(number)).collect();
    let most = lines.iter().flatten().map(|(_, rate)| *rate).fold(0.0, f64::max);
    if most == 0.0 {
        return None;
    }
    let names = order.iter().zip(LINES).map(|((number, _), colour)| {
        let name =
            number.map_or(String::from("no known shard"), |number| format!("shard {number}"));
        (name, colour)
    });
    Some((curves(recorder, &lines, most, "%"), names.collect()))
}

/// How many records all engines hold. `None` if it was never looked at.
pub(super) fn held(recorder: &Recorder) -> Option<Picture> {
    let held = |(at, slice): (f64, &Slice)| Some((at, slice.records_held()? as f64));
    let line: Vec<_> = recorder.slices.all().filter_map(held).collect();
    let most = line.iter().map(|(_, held)| *held).fold(0.0, f64::max);
    (most > 0.0).then(|| curves(recorder, &[line], most, ""))
}

fn curves(recorder: &Recorder, lines: &[Vec<(f64, f64)>], most: f64, unit: &str) -> Picture {
    picture(190, |area, _| {
        let label = |value: &f64| format!("{}{unit}", thousands(*value));
        let mut chart = chart(area, recorder, (0.0, end(recorder)), most * 1.05, 50, &label, 5)?;
        for (line, colour) in lines.iter().zip(LINES) {
            chart.draw_series(LineSeries::new(line.iter().copied(), colour.stroke_width(2)))?;
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
        let mut chart = chart(area, recorder, (0.0, end), count as f64, 0, &|_| String::new(), 0)?;
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

/// A row for each of these lives: a line from its acceptance to its outcome, thick while it was on its way.
pub(super) fn lives(
    recorder: &Recorder,
    lives: &[((u32, u64), &Life)],
    names: &[String],
) -> Option<Picture> {
    if lives.is_empty() {
        return None;
    }
    let shown = |at: Instant| seconds(recorder.axis.shown(at));
    let times = lives.iter().flat_map(|(_, life)| &life.steps).map(|(at, _)| shown(*at));
    let (first, last) =
        times.fold((f64::MAX, 0.0), |(first, last), at| (at.min(first), at.max(last)));
    let margin = (last - first).max(1e-3) * 0.02;
    let span = ((first - margin).max(0.0), last + margin);
    let height = lives.len() as u32 * (2 * ROW_PX) + AXIS_PX + MARGIN_PX;
    Some(picture(height, |area, _| {
        let mut chart = chart(area, recorder, span, lives.len() as f64, 0, &|_| String::new(), 0)?;
        for (row, (_, life)) in lives.iter().enumerate() {
            let y = (lives.len() - 1 - row) as f64 + 0.3;
            draw_life(&mut chart, life, y, &shown)?;
            let name = Text::new(names[row].clone(), (span.0, y + 0.65), text());
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
