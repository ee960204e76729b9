//! W3C Trace Context (Recommendation of 23 November 2021): what ties a platform's publishing to what a receiver sees
//! of it. Never signed, and never decided by.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A trace, and the span in it that whatever comes next is a child of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl TraceContext {
    /// A trace that begins here. Not sampled: nobody here decides what is worth keeping.
    pub fn new(random: [u8; 24]) -> Self {
        let (mut trace, mut span) = ([0; 16], [0; 8]);
        trace.copy_from_slice(&random[..16]);
        span.copy_from_slice(&random[16..]);
        // All zeros stand for no trace at all (sections 3.2.2.3 and 3.2.2.4).
        trace[15] |= u8::from(trace == [0; 16]);
        Self { trace, span: nonzero(span), sampled: false }
    }

    /// Reads a `traceparent` header. None when it is not valid, which the standard says to treat as missing.
    pub fn parse(header: &str) -> Option<Self> {
        let mut fields = header.split('-');
        let version: [u8; 1] = hex(fields.next()?)?;
        let trace = hex(fields.next()?)?;
        let span = hex(fields.next()?)?;
        let [flags] = hex(fields.next()?)?;
        // A later version may have more fields; this one may not (section 3.2.4).
        let known = match version[0] {
            0xff => false,
            0 => fields.next().is_none(),
            _ => true,
        };
        let there = trace != [0; 16] && span != [0; 8];
        (known && there).then_some(Self { trace, span, sampled: flags & 1 == 1 })
    }

    /// Reads the header that API Gateway adds, `Root=1-5759e988-bd862e3fe1be46a994272793;Parent=…;Sampled=1`. Only
    /// `Root` is always there; without `Parent`, `random` stands for the span.
    pub fn from_xray(header: &str, random: [u8; 8]) -> Option<Self> {
        let field = |name: &str| header.split(';').find_map(|field| field.trim().strip_prefix(name)?.strip_prefix('='));
        let mut root = field("Root")?.split('-');
        if root.next() != Some("1") {
            return None;
        }
        let (seconds, rest): ([u8; 4], [u8; 12]) = (hex(root.next()?)?, hex(root.next()?)?);
        let mut trace = [0; 16];
        trace[..4].copy_from_slice(&seconds);
        trace[4..].copy_from_slice(&rest);
        let span = field("Parent").and_then(hex).filter(|span| *span != [0; 8]);
        let valid = root.next().is_none() && trace != [0; 16];
        let sampled = field("Sampled") == Some("1");
        valid.then(|| Self { trace, span: span.unwrap_or_else(|| nonzero(random)), sampled })
    }

    /// The next span of the same trace.
    #[must_use]
    pub fn child(self, random: [u8; 8]) -> Self {
        Self { span: nonzero(random), ..self }
    }

    /// What the `traceparent` header says.
    pub fn header(&self) -> String {
        ["00-", &self.trace_id(), "-", &self.span_id(), if self.sampled { "-01" } else { "-00" }].concat()
    }

    /// 32 hexadecimal digits.
    pub fn trace_id(&self) -> String {
        HEXLOWER.encode(&self.trace)
    }

    /// 16 hexadecimal digits.
    pub fn span_id(&self) -> String {
        HEXLOWER.encode(&self.span)
    }
}

impl Serialize for TraceContext {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.header())
    }
}

impl<'de> Deserialize<'de> for TraceContext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a traceparent"))
    }
}

fn nonzero(mut span: [u8; 8]) -> [u8; 8] {
    span[7] |= u8::from(span == [0; 8]);
    span
}

/// Exactly so many bytes, in lower-case digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The standard's own example.
    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_valid_header_is_read_and_written_as_it_was() {
        let context = TraceContext::parse(EXAMPLE).unwrap();
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id(), "b7ad6b7169203331");
        assert_eq!(context.header(), EXAMPLE);
        assert_eq!(serde_json::from_str::<TraceContext>(&serde_json::to_string(&context).unwrap()).unwrap(), context);
        let child = context.child([0; 8]);
        assert_eq!(child.header(), "00-0af7651916cd43dd8448eb211c80319c-0000000000000001-01");
    }

    #[test]
    fn a_later_version_may_say_more_and_only_its_sampled_flag_is_kept() {
        let later = "cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-ff-what-the-future-brings";
        assert_eq!(TraceContext::parse(later).unwrap().header(), EXAMPLE);
    }

    #[test]
    fn what_the_standard_calls_invalid_is_no_trace() {
        for invalid in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "0x-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(TraceContext::parse(invalid), None, "{invalid:?}");
        }
    }

    #[test]
    fn the_gateways_own_header_gives_the_same_trace() {
        let xray = |header| TraceContext::from_xray(header, [7; 8]).map(|context| context.header());
        let root = "Root=1-5759e988-bd862e3fe1be46a994272793";
        assert_eq!(xray(root).unwrap(), "00-5759e988bd862e3fe1be46a994272793-0707070707070707-00");
        assert_eq!(
            xray("Self=1-67891234-12456789abcdef012345678;Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1")
                .unwrap(),
            "00-5759e988bd862e3fe1be46a994272793-53995c3f42cd8ad8-01"
        );
        for invalid in [
            "",
            "Root=",
            "Root=2-5759e988-bd862e3fe1be46a994272793",
            "Root=1-5759e988-bd862e3f",
            "Parent=53995c3f42cd8ad8",
        ] {
            assert_eq!(xray(invalid), None, "{invalid:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_made_can_be_read(random: [u8; 24], span: [u8; 8]) {
            let made = TraceContext::new(random).child(span);
            prop_assert_eq!(TraceContext::parse(&made.header()), Some(made));
        }

        #[test]
        fn no_header_panics(text in ".{0,80}") {
            let _ = TraceContext::parse(&text);
            let _ = TraceContext::from_xray(&text, [0; 8]);
        }
    }
}
