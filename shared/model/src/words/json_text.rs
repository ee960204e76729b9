//! Texts as JSON has them, for what is written without a serializer (payloads, lines of the log), and JSON as a text within
//! other JSON (messages).

/// Whether JSON escapes nothing of it. Looks at eight bytes at once, in the usual way: what a byte lends another on its left
/// makes that one look escaped at worst, and what is escaped is always found.
fn is_plain(text: &[u8]) -> bool {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let is_zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    let is_plain = |eight: [u8; 8]| {
        let word = u64::from_le_bytes(eight);
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        (control | is_zero(word ^ (ONES * u64::from(b'"'))) | is_zero(word ^ (ONES * u64::from(b'\\')))) == 0
    };
    let (eights, rest) = text.as_chunks::<8>();
    let mut last = [b' '; 8];
    last[..rest.len()].copy_from_slice(rest);
    eights.iter().all(|eight| is_plain(*eight)) && is_plain(last)
}

/// Appends a text as JSON has it, with its quotes.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    // Nearly every text is an id or a word, in which JSON escapes nothing.
    if is_plain(text.as_bytes()) {
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
        return;
    }
    // Cannot fail: a text is always JSON, and memory takes every byte.
    serde_json::to_writer(out, text).unwrap_or_default();
}

/// With `"` and `'` in each other's places, which makes JSON a text that needs hardly any escapes within other JSON, and makes
/// JSON of it again.
// Sixteen bytes at once, as this crate is compiled; as a part of what is compiled for size it would be one by one.
#[inline(never)]
pub fn exchange_quotes(text: String) -> String {
    let mut bytes = text.into_bytes();
    for byte in &mut bytes {
        *byte ^= if matches!(*byte, b'"' | b'\'') { b'"' ^ b'\'' } else { 0 };
    }
    // Cannot fail: both are ASCII.
    String::from_utf8(bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_is_written_as_json_has_it(text in prop_oneof![".{0,40}", "[ -~]{0,40}", "[a-z]{0,20}[\\x00-\\x22\\\\\\x7f]?[a-z]{0,20}"]) {
            let mut out = Vec::new();
            write_text(&text, &mut out);
            prop_assert_eq!(String::from_utf8(out).unwrap(), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn quotes_that_were_exchanged_twice_are_what_they_were(text in ".{0,60}|[a\"'\\\\]{0,20}") {
            let exchanged = exchange_quotes(text.clone());
            let expected: String = text.chars().map(|c| match c { '"' => '\'', '\'' => '"', other => other }).collect();
            prop_assert_eq!(&exchanged, &expected);
            prop_assert_eq!(exchange_quotes(exchanged), text);
        }
    }
}
