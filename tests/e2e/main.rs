//! End-to-end tests: the built host, real plugin libraries, a broker over TCP.

mod bad_data;
mod commits;
mod configuration;
mod containment;
mod control;
mod dead_letters;
mod dead_letters_cli;
mod delivery;
mod development_broker;
mod documents;
mod failures;
mod frozen_interface;
mod hanging;
mod interface;
mod isolation;
mod ledger;
mod loading;
mod log;
mod outside;
mod partitions_apart;
mod rebalance;
mod shutdown;
mod sink_contract;
mod transforms;
mod validate;
mod values;
