//! The XML that AWS's query protocol answers with: elements and text, which is all there is in it.

/// An element, the text in it, and the elements in it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// The outermost element of a document; none if it is no document.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut open: Vec<Self> = vec![Self::default()];
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('<') {
            open.last_mut()?.text.push_str(&unescaped(before));
            let (tag, after) = after.split_once('>')?;
            rest = after;
            if tag.starts_with(['?', '!']) {
                continue;
            }
            if let Some(name) = tag.strip_prefix('/') {
                let mut closed = open.pop().filter(|element| element.name == name)?;
                closed.text = closed.text.trim().to_owned();
                open.last_mut()?.children.push(closed);
                continue;
            }
            let is_empty = tag.ends_with('/');
            let name = tag.trim_end_matches('/').split_whitespace().next()?.to_owned();
            let element = Self { name, ..Self::default() };
            if is_empty {
                open.last_mut()?.children.push(element);
            } else {
                open.push(element);
            }
        }
        let document = open.pop().filter(|_| open.is_empty())?;
        document.children.into_iter().next()
    }

    /// What is found along a path of names: the first of each.
    pub(crate) fn at(&self, path: &[&str]) -> Option<&Self> {
        path.iter().try_fold(self, |element, name| element.children.iter().find(|child| child.name == *name))
    }

    /// The text along a path of names; empty if there is none.
    pub(crate) fn text(&self, path: &[&str]) -> &str {
        self.at(path).map_or("", |element| &element.text)
    }

    /// The members of a list along a path of names.
    pub(crate) fn members(&self, path: &[&str]) -> impl Iterator<Item = &Self> {
        let list = self.at(path).into_iter().flat_map(|list| &list.children);
        list.filter(|child| child.name == "member")
    }
}

fn unescaped(text: &str) -> String {
    let mut plain = text.to_owned();
    for (escape, character) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&apos;", "'"), ("&amp;", "&")] {
        plain = plain.replace(escape, character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = r#"<?xml version="1.0"?>
        <Answer xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/">
          <Result><Stacks>
            <member><Name>a &amp; b</Name><Empty/></member>
            <member><Name>&lt;c&gt;</Name></member>
          </Stacks></Result>
        </Answer>"#;

    #[test]
    fn members_of_a_list_have_their_texts() {
        let answer = Element::parse(ANSWER).unwrap();
        let names: Vec<&str> = answer.members(&["Result", "Stacks"]).map(|member| member.text(&["Name"])).collect();
        assert_eq!(names, ["a & b", "<c>"]);
        assert_eq!(answer.text(&["Result", "Nothing"]), "");
    }

    #[test]
    fn what_is_no_document_is_none() {
        for text in ["", "not found", "<a>", "<a></b>", "</a>", "<a"] {
            assert_eq!(Element::parse(text), None, "{text}");
        }
    }
}
