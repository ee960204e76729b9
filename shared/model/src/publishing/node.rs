//! A payload on its way to its bytes: a tree whose members keep their order, and whose dates and ids are filled in
//! when it is written.
//!
//! Renderers build trees and never text, so no payload can be malformed; and what a type can express does not depend
//! on the context, so the check at publish and the writing at each attempt are one function.

use jiff::Timestamp;
use serde_json::value::RawValue;

use crate::dates::DateFormat;
use crate::ids::EventId;
use crate::json_text::write_text;

/// What a payload says beside the update's data. All of it is the same at every attempt.
#[derive(Debug, Clone, Copy)]
pub struct RenderContext<'a> {
    /// A payload's own id, whatever the type calls it (`notificationId`), and generic `updateId`.
    pub event_id: EventId,
    /// When it happened, whatever the type calls it (`completed_at`): the platform's `occurredAt`, else the time of
    /// publishing.
    pub occurred_at: Timestamp,
    pub date_format: DateFormat,
    /// MoneyKit `webhook_idempotency_key`; the event's id if the caller gave none.
    pub idempotency_key: Option<&'a str>,
}

#[derive(Debug)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    Count(u64),
    /// So many hundredths, as a number from 0 to 1.
    Hundredths(u8),
    Text(&'a str),
    Owned(String),
    /// A moment, as the developer asked to see it.
    At(Timestamp),
    /// A moment, in the one way that the provider's shape has for it.
    AtAs(fn(Timestamp) -> String, Timestamp),
    /// When the update happened, as the developer asked to see it.
    OccurredAt,
    OccurredAs(fn(Timestamp) -> String),
    EventId,
    UpdateId,
    IdempotencyKey,
    Raw(&'a RawValue),
    List(Vec<Node<'a>>),
    Object(Object<'a>),
}

/// An object under construction; members are written in the order they are pushed.
#[derive(Debug, Default)]
pub(crate) struct Object<'a>(Vec<(&'a str, Node<'a>)>);

impl<'a> Object<'a> {
    pub(crate) fn push(&mut self, name: &'a str, value: impl Into<Node<'a>>) {
        self.0.push((name, value.into()));
    }

    pub(crate) fn with(mut self, name: &'a str, value: impl Into<Node<'a>>) -> Self {
        self.push(name, value);
        self
    }

    /// A text member's value.
    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        let (_, value) = self.0.iter().find(|(member, _)| *member == name)?;
        match value {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A member that is left out when there is nothing to say.
    pub(crate) fn maybe(self, name: &'a str, value: Option<impl Into<Node<'a>>>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// A member that is null when there is nothing to say.
    pub(crate) fn nullable(self, name: &'a str, value: Option<impl Into<Node<'a>>>) -> Self {
        self.with(name, value.map_or(Node::Null, Into::into))
    }
}

macro_rules! from {
    ($($from:ty => $make:expr;)+) => {
        $(impl<'a> From<$from> for Node<'a> {
            fn from(value: $from) -> Self {
                $make(value)
            }
        })+
    };
}

from! {
    &'a str => Node::Text;
    &'a String => |text: &'a String| Node::Text(text);
    bool => Node::Bool;
    u64 => Node::Count;
    Timestamp => Node::At;
    Vec<Node<'a>> => Node::List;
    Object<'a> => Node::Object;
    &'a Vec<String> => |texts: &'a Vec<String>| Node::List(texts.iter().map(|text| Node::Text(text)).collect());
}

impl Node<'_> {
    pub(crate) fn write(&self, context: &RenderContext<'_>, out: &mut Vec<u8>) {
        match self {
            Node::Null => out.extend_from_slice(b"null"),
            Node::Bool(value) => out.extend_from_slice(if *value { b"true" } else { b"false" }),
            Node::Count(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Node::Hundredths(count) => {
                out.extend_from_slice((f64::from(*count) / 100.0).to_string().as_bytes());
            }
            Node::Text(text) => write_text(text, out),
            Node::Owned(text) => write_text(text, out),
            Node::At(at) => out.extend_from_slice(context.date_format.json(*at).to_string().as_bytes()),
            Node::AtAs(format, at) => write_text(&format(*at), out),
            Node::OccurredAt => Node::At(context.occurred_at).write(context, out),
            Node::OccurredAs(format) => write_text(&format(context.occurred_at), out),
            Node::EventId => write_text(&context.event_id.to_string(), out),
            Node::UpdateId => write_text(&context.event_id.update.to_string(), out),
            Node::IdempotencyKey => match context.idempotency_key {
                Some(key) => write_text(key, out),
                None => Node::EventId.write(context, out),
            },
            Node::Raw(raw) => out.extend_from_slice(raw.get().as_bytes()),
            Node::List(entries) => {
                out.push(b'[');
                for (index, entry) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    entry.write(context, out);
                }
                out.push(b']');
            }
            Node::Object(Object(members)) => {
                out.push(b'{');
                for (index, (name, value)) in members.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    write_text(name, out);
                    out.push(b':');
                    value.write(context, out);
                }
                out.push(b'}');
            }
        }
    }
}
