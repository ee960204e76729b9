//! Text as HTML. Descriptions are written in the little Markdown that they need: paragraphs, lists and code.

pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Text within a line, in which backticks enclose code.
pub(super) fn inline(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts
        .map(|(index, part)| if index % 2 == 1 { format!("<code>{}</code>", escape(part)) } else { escape(part) })
        .collect()
}

/// Paragraphs, between empty lines, and lists, whose lines begin with a hyphen.
pub(super) fn prose(text: &str) -> String {
    let mut html = String::new();
    for block in text.split("\n\n").filter(|block| !block.trim().is_empty()) {
        if block.starts_with("- ") {
            let items = block.split("\n- ").map(|item| format!("<li>{}</li>\n", inline(item.trim_start_matches("- "))));
            html.push_str(&format!("<ul>\n{}</ul>\n", items.collect::<String>()));
        } else {
            html.push_str(&format!("<p>{}</p>\n", inline(block)));
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_description_is_markup_of_the_page() {
        assert_eq!(inline("a `<b>` & <i>"), "a <code>&lt;b&gt;</code> &amp; &lt;i&gt;");
        assert_eq!(
            prose("one\ntwo\n\n- `a`: b\n- c"),
            "<p>one\ntwo</p>\n<ul>\n<li><code>a</code>: b</li>\n<li>c</li>\n</ul>\n"
        );
    }
}
