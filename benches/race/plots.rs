//! The results as pictures: a bar for each contestant, on a scale in which each step is ten times the one before. Colours and
//! texts that must be read on light and on dark paper lie between both.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::Failure;
use crate::arms::{ARMS, Heat};
use crate::figures::Results;

const GRAY: RGBColor = RGBColor(128, 128, 128);
const BLUE: RGBColor = RGBColor(42, 120, 214);
const WIDTH: u32 = 880;
const NAMES_PX: u32 = 350;
const ROW_PX: u32 = 26;
const FRAME_PX: u32 = 70;
const TEXT_PX: i32 = 13;

pub(crate) fn title(heat: Heat, size: usize) -> String {
    match heat {
        Heat::Requests => format!("Requests of 500 records of {size} bytes"),
        Heat::Plain => format!("A producer of records of {size} bytes, plain"),
        Heat::Aggregated => format!("A producer of records of {size} bytes, aggregated"),
    }
}

/// An SVG with a bar for each that took part, the first on top.
pub(crate) fn bars(results: &Results, heat: Heat, size: usize) -> Result<String, Failure> {
    let bars: Vec<(&str, f64, bool)> = ARMS
        .iter()
        .filter(|arm| arm.heat == heat)
        .filter_map(|arm| Some((arm.name, results.median(arm.id, size)?, arm.is_ours)))
        .collect();
    let most = bars.iter().map(|(_, nanos, _)| *nanos).fold(10.0, f64::max).log10().ceil();
    let rows = bars.len() as u32;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH, FRAME_PX + rows * ROW_PX));
        let area = area.into_drawing_area();
        let text = ("sans-serif", TEXT_PX).into_font().color(&GRAY);
        let mut chart = ChartBuilder::on(&area)
            .caption(title(heat, size), ("sans-serif", TEXT_PX + 2).into_font().color(&GRAY))
            .x_label_area_size(36)
            .margin_right(60)
            .margin_left(NAMES_PX)
            .build_cartesian_2d(0.0..most, 0.0..f64::from(rows))?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .axis_style(GRAY)
            .bold_line_style(GRAY.mix(0.3))
            .light_line_style(TRANSPARENT)
            .label_style(text.clone())
            .x_desc("CPU time per record, ns")
            .x_labels(most as usize + 1)
            .x_label_formatter(&|power| format!("{:.0}", 10_f64.powf(*power)))
            .draw()?;
        let name = text.pos(Pos::new(HPos::Right, VPos::Center));
        let value = name.pos(Pos::new(HPos::Left, VPos::Center));
        for (row, (who, nanos, is_ours)) in (1..).zip(&bars) {
            let (low, high) = (f64::from(rows - row) + 0.15, f64::from(rows - row) + 0.85);
            let (end, colour) = (nanos.log10(), if *is_ours { BLUE } else { GRAY });
            let bar = Rectangle::new([(0.0, low), (end, high)], colour.filled());
            chart.draw_series([bar])?;
            let middle = chart.backend_coord(&(0.0, f64::midpoint(low, high)));
            area.draw(&Text::new((*who).to_owned(), (middle.0 - 8, middle.1), name.clone()))?;
            let at = chart.backend_coord(&(end, f64::midpoint(low, high)));
            area.draw(&Text::new(format!("{nanos:.0}"), (at.0 + 6, at.1), value.clone()))?;
        }
        area.present()?;
    }
    Ok(svg)
}
