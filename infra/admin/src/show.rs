//! How answers look to people: columns that line up, and nothing in them that a terminal would obey.

use std::io::{self, Write};

use jiff::{SignedDuration, Timestamp};
use tenday_model::terminal::steers;

/// Text that somebody else wrote, with what would steer the terminal written out.
pub(crate) fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) { clean.extend(character.escape_default()) } else { clean.push(character) }
    }
    clean
}

/// Rows in columns, two spaces apart. The last column is as wide as it likes.
pub(crate) fn columns(output: &mut impl Write, rows: &[Vec<String>]) -> io::Result<()> {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            let width = cell.chars().count();
            match widths.get_mut(at) {
                Some(known) => *known = (*known).max(width),
                None => widths.push(width),
            }
        }
    }
    for row in rows {
        let mut line = String::new();
        for (at, cell) in row.iter().enumerate() {
            line.push_str(cell);
            if at + 1 < row.len() {
                let fill = widths.get(at).copied().unwrap_or_default() - cell.chars().count();
                line.push_str(&" ".repeat(fill + 2));
            }
        }
        writeln!(output, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A moment, to the second.
pub(crate) fn moment(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// How long from one moment to another, in the one or two words that matter.
pub(crate) fn span(from: Timestamp, to: Timestamp) -> String {
    let span = to.duration_since(from);
    let (text, past) = (long(span.abs()), span.is_negative());
    if past { format!("{text} ago") } else { format!("in {text}") }
}

pub(crate) fn long(span: SignedDuration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_receiver_said_moves_no_cursor() {
        assert_eq!(clean("a\u{1b}[2Jb\r\nc"), "a\\u{1b}[2Jb\\r\\nc");
        assert_eq!(clean("Grüße"), "Grüße");
    }

    #[test]
    fn columns_line_up() {
        let mut output = Vec::new();
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        columns(&mut output, &[row(["é", "x"]), row(["longer", ""])]).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "é       x\nlonger\n");
    }

    #[test]
    fn a_span_is_told_in_the_unit_that_matters() {
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(span(at(0), at(59)), "in 59 s");
        assert_eq!(span(at(7200), at(0)), "2 h ago");
        assert_eq!(span(at(0), at(260_000)), "in 3 d");
    }
}
