//! Making attempts, for `deliver` and for `events`: an attempt by hand is the same attempt.
//!
//! # A receiver can spend its own time limit, and nothing of anybody else's
//!
//! 1. What a receiver sends is bounded by the sender (`tenday_sender`), and with it the work that it can cause.
//! 2. Each receiver's attempts run on a thread of their own (`lanes`). Whatever an attempt does to its thread, the others
//!    go on, and so does the thread that keeps the time and records. What has not ended at its limit is a timeout.
//! 3. A process with a stuck thread is not to be trusted any more: [`end_if_stuck`] ends it once its invocation is answered.
//!    Lambda starts another.
//! 4. What kills the process is the queue's business: a message that was taken before is attempted by itself
//!    (`tenday_model::delivery::batch`).
//!
//! AWS is called on the main thread only: connections to it belong to that thread, and must not be stuck with another.
//!
//! | room | answers |
//! |---|---|
//! | `attempts` | what does an attempt send, and what came of it? |
//! | `lanes` | on which thread is an attempt made? |
//! | `reattempts` | how are dropped events attempted by hand, one of them or a page? |
//! | `local_faults` | how is an attempt made to break, on the local run only? |

mod attempts;
mod lanes;
mod local_faults;
mod lookups;
mod reattempts;
mod requests;

pub use attempts::{AttemptFault, Attempts, Request, Target};
pub use lanes::end_if_stuck;
pub use lookups::Lookup;
pub use reattempts::{OneByHand, PAGE, PageDone, Reattempts, SLOT_WAIT, sleep_until};
pub use requests::PastRequest;
