//! Tests of several parts together, with real processes.

mod pools;
mod run;
