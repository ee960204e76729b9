//! The messages of the queues.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::delivery::queue::{JobMessage, Message};

const MESSAGES: &str = include_str!("messages.json");

/// One message, as it was sent.
#[derive(Debug, Deserialize)]
struct Golden {
    what: String,
    body: Box<RawValue>,
    means: Value,
}

#[test]
fn a_message_means_what_it_meant() {
    let messages: Vec<Golden> = serde_json::from_str(MESSAGES).unwrap();
    assert!(!messages.is_empty());
    for Golden { what, body, means } in &messages {
        let (meaning, written) = match Message::parse(body.get()).unwrap() {
            Message::Delivery(message) => {
                let meaning = json!({
                    "developer": message.developer,
                    "event": message.event,
                    "attempt": message.attempt,
                    "waits": message.waits,
                    "taken": message.taken,
                    "scheduled": message.scheduled,
                    "content": message.content,
                });
                (meaning, serde_json::to_value(&message).unwrap())
            }
            Message::Job(message) => {
                let JobMessage { developer, job, step, .. } = &message;
                (json!({ "developer": developer, "job": job, "step": step }), serde_json::to_value(&message).unwrap())
            }
        };
        assert_eq!(&meaning, means, "{what}");
        let known = messages.iter().any(|golden| serde_json::to_value(&golden.body).unwrap() == written);
        assert!(known, "{what}: this shape is new, add its message:\n{written:#}");
    }
}
