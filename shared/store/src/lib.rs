//! DynamoDB, SQS, Scheduler and KMS, and the process's clock, randomness and environment: the edge of the system that
//! is not HTTP. The only user of the AWS SDK; no SDK type leaves this crate.
//!
//! Invariant: every key carries its developer (see `dynamodb::keys`), so no query can be written without one. An item past
//! its `expiresAt` is never returned, however late the table's TTL is.
//!
//! | room | answers |
//! |---|---|
//! | `settings` | what has a developer set, who may ask for a token, and whose is a link? |
//! | `publishing` | what was published, and which of its events are still to be queued? |
//! | `delivery` | what became of each event, and what carries the next attempt? |
//! | `signing` | what proves where a request came from, and how is it kept? |
//! | `dynamodb` | how does any of it read and write a table? |
//! | `operator` | what is there, as an operator looks at it, moves it and removes it? |
//! | `aws` | how is AWS reached, and what is there beside it: clock, randomness, environment? |

mod aws;
mod delivery;
mod dynamodb;
mod error;
#[cfg(test)]
mod golden;
#[cfg(feature = "operator")]
mod operator;
mod publishing;
mod settings;
mod signing;

pub use aws::batch::{BatchItemFailure, BatchResponse, Record, SqsEvent};
pub use aws::clock::Clock;
pub use aws::environment::{Environment, EnvironmentError};
#[cfg(feature = "operator")]
pub use aws::operator::OperatorError;
pub use aws::random::random;
pub use aws::services::Aws;
pub use aws::tries::Tries;
pub use delivery::bus::{Bus, BusNotice};
pub use delivery::events::{Deliveries, Events, Key};
pub use delivery::held::HeldPage;
pub use delivery::history::EventPage;
pub use delivery::jobs::Jobs;
pub use delivery::message::{DeliveryMessage, JobMessage, Message, MessageContent, ReleaseMessage, SweepMessage};
pub use delivery::pulled::{Visible, VisibleEvent};
pub use delivery::queue::{Outgoing, Queue};
pub use delivery::rates::Rates;
pub use delivery::schedules::Schedules;
pub use error::StoreError;
#[cfg(feature = "operator")]
pub use operator::{
    alarms::Alarm,
    directory::{DeveloperPage, Directory, Filled},
    erase::{Erased, Erasing, Erasure, Progress, SETTLES},
    export::Export,
    functions::{DeployedFunction, Mapping},
    logs::{LogAnswer, MOST_ROWS},
    queues::{Letter, QueueDepth},
    rotation::{KeyringState, SealedBy},
    schedules::{SchedulePage, WaitingRetries},
    stack::Stack,
    tables::TableState,
};
pub use publishing::publish::{Accepted, NewUpdate, PublishError, Publishing, digest};
pub use publishing::updates::{StoredUpdate, Updates};
pub use settings::audit::{Audit, AuditPage, Author};
pub use settings::changes::{Changed, Restored, WebhookChanges, generation};
pub use settings::clients::{Client, Clients, secret_digest};
pub use settings::deletions::{Deleted, Deletion, Deletions};
pub use settings::developer::{DeveloperSettings, OldSecret, Settings, StoredWebhook};
pub use settings::links::{LinkWrite, Links, MadeWebhook, Rebound, Registered};
pub use settings::sessions::{Session, Sessions};
pub use signing::keyring::{Keyring, Sealed};
pub use signing::opened::OpenedSecrets;
pub use signing::revocations::{REVOKED_FOR, Revocations};
pub use signing::signing_keys::{KeyPurpose, PublicKey, SigningKeys};
