//! Tests of several parts together, with real processes.

mod killed;
mod pools;
mod run;
