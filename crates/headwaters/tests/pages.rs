//! What the pages promise to a newcomer. That the example of the README works, its doc test shows.

/// The lines of the first example in Rust.
fn example(page: &str) -> impl Iterator<Item = &str> {
    let begin = page.lines().skip_while(|line| *line != "```rust");
    begin.skip(1).take_while(|line| *line != "```")
}

#[test]
fn the_first_example_is_short_and_whole() {
    let lines: Vec<_> = example(include_str!("../../../README.md")).collect();
    assert!((1..=15).contains(&lines.len()), "{} lines", lines.len());
    assert!(lines.iter().any(|line| line.contains("fn main")), "nothing of it is hidden");
}

#[test]
fn the_guide_has_its_chapters() {
    let guide = include_str!("../../../docs/guide.md");
    let chapters: Vec<_> = guide.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    for chapter in [
        "Put a record",
        "Learn what became of it",
        "Backpressure",
        "Order",
        "Flush, close, purge",
        "In a Lambda",
        "From the KPL",
        "From a loop of your own",
    ] {
        assert!(chapters.contains(&chapter), "{chapter} is not among {chapters:?}");
    }
}
