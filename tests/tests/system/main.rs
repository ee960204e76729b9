//! The whole system: the real function binaries, started by the local run, driven over HTTP, with a real receiver.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod admin;
mod arrive;
mod audit;
mod backlog;
mod bad_input;
mod browser;
mod callbacks;
mod checks;
mod cli;
mod clients;
mod conformance;
mod contract;
mod delivery;
mod documents;
mod examples;
mod headers;
mod hostile;
mod import;
mod ingest;
mod kill_points;
mod kill_points_between;
mod kill_points_of_jobs;
mod links;
mod lost_answers;
mod main_path;
mod metrics;
mod operator;
mod operator_erase;
mod pages;
mod payloads;
mod plaid;
mod pull;
mod races;
mod rate_limit;
mod readme;
mod reads;
mod reattempt_all;
mod secrecy;
mod sent_requests;
mod sessions;
mod settings;
mod tenants;
mod trace;
mod types;
