//! What text that somebody else wrote can do to a terminal that it is shown in.

/// Whether a character would steer a terminal, or turn the direction of what follows, instead of being seen: a control
/// character, a separator of lines, or one of Unicode's marks of direction.
pub fn steers(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}
