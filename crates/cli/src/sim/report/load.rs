use core::fmt::{self, Write};

use headwaters::Config;
use headwaters::trace::{Replayed, TraceEnd, TraceError};

use super::{begin, escape, lives_of, pictures};
use crate::exit::{Abort, Exit};
use crate::sim::output::Output;
use crate::sim::recorded::Spectator;

/// Writes a page about a load, as its trace tells of it.
pub(in crate::sim) fn load_page(
    title: &str,
    config: &Config,
    seen: &Spectator,
    replayed: Result<&Replayed, &TraceError>,
    mut to: Output,
) -> Result<(), Abort> {
    let mut html = String::new();
    // Writing into a text cannot fail.
    let _ = write_html(&mut html, title, config, seen, replayed);
    let written = to.write(html);
    to.end(written, Exit::Delivered).map(|_| ())
}

fn write_html(
    to: &mut String,
    title: &str,
    config: &Config,
    seen: &Spectator,
    replayed: Result<&Replayed, &TraceError>,
) -> fmt::Result {
    begin(
        to,
        title,
        "A real load, as its trace tells of it: what its engine was told, and what it did",
    )?;
    match replayed {
        Err(error) => {
            let error = escape(&error.to_string());
            writeln!(to, "<p class=\"bad\">The replay of the trace ends early: {error}</p>")?;
        }
        Ok(replayed) => {
            match replayed.end {
                Some(TraceEnd::Closed) => {}
                Some(end) => writeln!(to, "<p class=\"bad\">The trace is not whole: {end}.</p>")?,
                None => writeln!(to, "<p class=\"bad\">The trace breaks off.</p>")?,
            }
            let figures = seen.figures(&replayed.engine.stats());
            writeln!(to, "<div class=\"scroll\"><table class=\"small\">")?;
            for (name, value) in figures.rows() {
                writeln!(to, "<tr><td>{name}</td><td class=\"number\">{value}</td></tr>")?;
            }
            writeln!(to, "</table></div>")?;
        }
    }
    let wrong = "Requests that failed as a whole or had no answer, entries that failed and not because there were too many, records \
                 for which there was no room, changes of the shards. Marks are slices of time in which it happened.";
    pictures(to, &seen.recorder, &[], wrong)?;
    lives_of(to, &seen.recorder, |_, number| format!("record {number}"))?;
    let settings = escape(&format!("{config:#?}"));
    writeln!(to, "<details><summary>The settings</summary><pre>{settings}</pre></details>")?;
    writeln!(to, "</body></html>")
}
