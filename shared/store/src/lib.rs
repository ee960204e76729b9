//! DynamoDB, SQS, Scheduler and KMS, and the process's clock, randomness and environment: the edge of the system that
//! is not HTTP. The only user of the AWS SDK; no SDK type leaves this crate.
//!
//! Invariant: every key carries its developer (see `keys`), so no query can be written without one. An item past its
//! `expiresAt` is never returned, however late the table's TTL is.

mod aws;
mod batch;
mod changes;
mod clients;
mod clock;
mod environment;
mod error;
mod event_items;
mod events;
mod history;
mod http;
mod item;
mod jobs;
mod keyring;
mod keys;
mod links;
mod publishing;
mod queue;
mod random;
mod rates;
mod schedules;
mod settings;
mod signing_keys;
mod tries;
mod updates;

pub use aws::Aws;
pub use batch::{BatchItemFailure, BatchResponse, Record, SqsEvent};
pub use changes::{Changed, Restored, WebhookChanges};
pub use clients::{Client, Clients, secret_digest};
pub use clock::Clock;
pub use environment::{Environment, EnvironmentError};
pub use error::StoreError;
pub use events::{Claim, Deliveries, Events, Key};
pub use history::EventPage;
pub use jobs::Jobs;
pub use keyring::{Keyring, Sealed};
pub use links::{Links, Registered};
pub use publishing::{Accepted, NewUpdate, PublishError, Publishing, digest};
pub use queue::{DeliveryMessage, JobMessage, Message, MessageContent, Outgoing, Queue};
pub use random::random;
pub use rates::Rates;
pub use schedules::Schedules;
pub use settings::{DeveloperSettings, OldSecret, Settings, StoredWebhook};
pub use signing_keys::{KeyPurpose, PublicKey, SigningKeys};
pub use tries::Tries;
pub use updates::{StoredUpdate, Updates};
