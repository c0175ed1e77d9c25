use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Color;

use super::minute::Second;
use super::*;

fn second(load: f64, throttled: u64) -> Second {
    Second { load, throttled }
}

fn picture() -> Picture {
    let shard = |place: usize, seconds: Vec<Second>, is_open| Shard {
        is_open,
        name: place.to_string(),
        place,
        throttled: seconds.iter().map(|second| second.throttled).sum(),
        seconds,
    };
    let rising: Vec<_> =
        (0..60).map(|at| second(f64::from(at) / 50.0, u64::from(at > 54))).collect();
    Picture {
        elapsed: Duration::from_secs(83),
        held: 12 << 20,
        held_max: 64 << 20,
        in_flight: 12,
        input: String::from(", 3.00 MiB of 9.00 MiB, file 1 of 2"),
        latency: (0..40).map(|at| (at % 7 > 0).then(|| Duration::from_millis(at))).collect(),
        longest: Duration::from_millis(1_250),
        messages: vec![String::from("headwaters: a.csv, line 3: the row has \u{1b}[2J 2 fields")],
        rate: 4_321.4,
        retries: 12_000,
        done: 358_000,
        shards: vec![
            shard(2, rising, true),
            shard(
                0,
                vec![
                    second(0.0, 0),
                    second(0.1, 0),
                    second(0.3, 0),
                    second(0.6, 0),
                    second(0.9, 0),
                ],
                true,
            ),
            shard(1, vec![second(1.2, 0), second(0.0, 0)], false),
        ],
        stream: String::from("orders"),
        throttled: 70,
        throttled_now: 5,
        waiting: 1_234,
        top_keys: vec![
            (String::from("customer-17"), 0.25),
            (String::from("\u{1b}]0;title\u{7}\u{202e}evil\n"), 0.0625),
        ],
        ..Picture::default()
    }
}

fn drawn(picture: &Picture, width: u16, height: u16) -> ratatui::buffer::Buffer {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("it cannot fail");
    let frame = terminal.draw(|frame| draw(picture, frame.area(), frame.buffer_mut()));
    frame.expect("it cannot fail").buffer.clone()
}

fn text(buffer: &ratatui::buffer::Buffer) -> Vec<String> {
    let rows = buffer.content().chunks(usize::from(buffer.area.width));
    let text = rows.map(|row| row.iter().map(|cell| cell.symbol()).collect::<String>());
    text.map(|row| row.trim_end().to_owned()).collect()
}

#[test]
fn it_is_drawn_to_the_letter() {
    let expected = "\
orders  358,000 records, 4321/s, 3.00 MiB of 9.00 MiB, file 1 of 2, 1m 23s

SHARD LAST MINUTE: PART OF WHAT IT TAKES, OR x: IT THROTTLES         NOW       x
0                                                             ·░▒▓  90 %       0
1                                                               █   gone       0
2      ············░░░░░░░░░░░░▒▒▒▒▒▒▒▒▒▒▒▒▒▓▓▓▓▓▓▓▓▓▓▓▓▓████xxxxx 118 %       5







latency     39 ms  ▃▃▃▃ ▄▄▄▄▄▅ ▅▅▅▅▆▆ ▆▆▇▇▇▇ ▇███  longest 1250 ms
retries    12,000  throttled 70 (5 in the last second)
held    12.00 MiB  of 64.00 MiB, 1,234 records wait, 12 requests in flight

TOP KEYS: PART OF ALL RECORDS AT LEAST
 25.00 %  customer-17
  6.25 %  \u{fffd}]0;title\u{fffd}\u{fffd}evil\u{fffd}


headwaters: a.csv, line 3: the row has \u{fffd}[2J 2 fields";
    let drawn = text(&drawn(&picture(), 80, 24));
    assert_eq!(drawn.join("\n").trim_end(), expected, "\n{}", drawn.join("\n"));
}

#[test]
fn the_hottest_are_shown_where_not_all_fit_and_no_size_is_too_small() {
    let mut picture = picture();
    let cold = |place: usize| Shard {
        is_open: true,
        name: place.to_string(),
        place,
        throttled: 0,
        seconds: vec![],
    };
    picture.shards.extend((3..9).map(cold));
    let rows = text(&drawn(&picture, 80, 17));
    assert!(
        rows[5].starts_with("2 ") && rows[6] == "... and 6 more, none of them hotter",
        "{rows:?}"
    );
    for (width, height) in [(1, 1), (3, 40), (200, 2), (80, 15), (80, 16), (0, 0)] {
        let _ = drawn(&picture, width, height);
    }
    let empty = text(&drawn(&Picture::default(), 80, 24)).join("\n");
    assert!(empty.contains("no key stands out"), "{empty}");
}

/// Shards come before keys, and the seconds of now before those of before.
#[test]
fn a_small_terminal_shows_what_matters_most() {
    let rows = text(&drawn(&picture(), 60, 14));
    assert_eq!(rows[2], "SHARD LAST 40 s: PART OF WHAT IT TAKES, OR x:    NOW       x");
    assert_eq!(rows[5], "2     ░░░░░▒▒▒▒▒▒▒▒▒▒▒▒▒▓▓▓▓▓▓▓▓▓▓▓▓▓████xxxxx 118 %       5");
    assert!(rows[7].ends_with("▇███  longest 1250 ms"), "{rows:?}");
    assert!(rows[12].contains("25.00 %  customer-17"), "{rows:?}");
}

#[test]
fn heat_has_colors_unless_they_are_not_wanted() {
    let colors = |colors| {
        let buffer = drawn(&Picture { colors, ..picture() }, 80, 24);
        let row = 5 * usize::from(buffer.area.width);
        [65, 60, 40].map(|x| buffer.content()[row + x].fg)
    };
    assert_eq!(colors(true), [Color::Red, Color::LightRed, Color::Green]);
    assert_eq!(colors(false), [Color::Reset; 3]);
}

#[test]
fn nothing_that_a_terminal_obeys_is_left() {
    for code in (0..=0x9f).chain(0x2000..0x2070).chain([0xfeff]).filter_map(char::from_u32) {
        let clean = picture::clean(&code.to_string());
        assert!(!clean.contains(char::is_control), "{:x}", u32::from(code));
    }
    assert_eq!(
        picture::clean("a\u{202e}b\u{200b}\u{e9}\u{1f600}"),
        "a\u{fffd}b\u{fffd}\u{e9}\u{1f600}"
    );
}

#[test]
fn the_keyboard_ends_it_by_ctrl_c_and_q() {
    let key = |code, modifiers| is_interrupt(KeyEvent::new(code, modifiers));
    assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
    assert!(key(KeyCode::Char('q'), KeyModifiers::NONE));
    assert!(!key(KeyCode::Char('c'), KeyModifiers::NONE));
    assert!(!key(KeyCode::Esc, KeyModifiers::NONE));
}
