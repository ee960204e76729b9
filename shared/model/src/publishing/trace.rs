//! W3C Trace Context (Recommendation of 23 November 2021): what ties a platform's publishing to what a receiver sees
//! of it. Never signed, and never decided by.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

use crate::ids::{EventId, UpdateId};

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

    /// The trace of what was published in none: the update's id is as good a trace's.
    pub fn of_update(update: UpdateId) -> Self {
        Self { trace: update.uuid().into_bytes(), span: nonzero(tail(update.uuid()).to_be_bytes()), sampled: false }
    }

    /// The span of an attempt of this event, the `number`-th, from 1. Each has its own, made of what nearly all of both ids' last
    /// eight bytes is, random; and whoever looks at the attempt later finds the same.
    #[must_use]
    pub fn attempt(self, event: EventId, number: usize) -> Self {
        let (update, webhook) = (tail(event.update.uuid()), tail(event.webhook.uuid()));
        // Turned, so that their variants' fixed bits do not meet.
        let both = update.rotate_left(32) ^ webhook;
        let span = both.wrapping_add(u64::try_from(number).unwrap_or(u64::MAX));
        Self { span: nonzero(span.to_be_bytes()), ..self }
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

/// The last eight bytes of an id.
fn tail(id: Uuid) -> u64 {
    id.as_u64_pair().1
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
    use std::collections::BTreeSet;

    use jiff::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::ids::WebhookId;

    /// The standard's own example.
    const EXAMPLE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_valid_header_is_read_and_written_as_it_was() {
        let context = TraceContext::parse(EXAMPLE).unwrap();
        assert_eq!(context.trace_id(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(context.span_id(), "b7ad6b7169203331");
        assert_eq!(context.header(), EXAMPLE);
        assert_eq!(serde_json::from_str::<TraceContext>(&serde_json::to_string(&context).unwrap()).unwrap(), context);
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

    fn event(update: u128, webhook: u128) -> EventId {
        EventId {
            update: UpdateId::from_uuid(Uuid::from_u128(update)),
            webhook: WebhookId::from_uuid(Uuid::from_u128(webhook)),
        }
    }

    #[test]
    fn each_attempt_of_each_event_in_a_trace_is_a_span_of_its_own_and_stays_it() {
        let trace = TraceContext::parse(EXAMPLE).unwrap();
        let ids = |number: u8| (0..10_u8).map(move |byte| number.wrapping_mul(31).wrapping_add(byte.wrapping_mul(53)));
        let random = |number: u8| ids(number).collect::<Vec<u8>>().try_into().unwrap();
        let mut spans = BTreeSet::from([trace.span_id()]);
        for (update, webhook) in (0..8).flat_map(|update| (0..8).map(move |webhook| (update, webhook))) {
            let event = EventId {
                update: UpdateId::new(Timestamp::UNIX_EPOCH, random(update)),
                webhook: WebhookId::new(Timestamp::UNIX_EPOCH, random(100 + webhook)),
            };
            for number in 1..=12 {
                let attempt = trace.attempt(event, number);
                assert_eq!(attempt, trace.attempt(event, number));
                assert_eq!((attempt.trace_id(), attempt.sampled), (trace.trace_id(), trace.sampled));
                assert!(spans.insert(attempt.span_id()), "{update} {webhook} {number}");
            }
        }
    }

    #[test]
    fn what_was_published_in_no_trace_is_one_of_its_own_to_all_of_its_receivers() {
        let update = UpdateId::from_uuid(Uuid::from_u128(0x01a2_0297_51d2_7701_8203_0405_0607_0809));
        assert_eq!(TraceContext::of_update(update).trace_id(), "01a2029751d277018203040506070809");
        let nothing = TraceContext::of_update(UpdateId::from_uuid(Uuid::nil())).attempt(event(0, 0), 0);
        assert_eq!(nothing.span_id(), "0000000000000001", "all zeros would be no span");
    }

    proptest! {
        #[test]
        fn whatever_is_made_can_be_read(random: [u8; 24], update: u128, webhook: u128, number: usize) {
            let made = TraceContext::new(random).attempt(event(update, webhook), number);
            prop_assert_eq!(TraceContext::parse(&made.header()), Some(made));
        }

        #[test]
        fn no_header_panics(text in ".{0,80}") {
            let _ = TraceContext::parse(&text);
            let _ = TraceContext::from_xray(&text, [0; 8]);
        }
    }
}
