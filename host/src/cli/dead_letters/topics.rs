//! Finds the dead-letter topics of connectors.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::Context;

use super::Selection;
use crate::{
    cli::{HostOptions, setup},
    config::{ClientProperties, ConnectorDefinition, Environment, HostConfig, Subscription, load_connectors},
    dead_letters::replay_group,
    kafka::{
        admin::Admin,
        producer::{ProducerSettings, SendTimeouts},
        reader::TopicReader,
    },
    supervisor::Catalog,
    telemetry,
};

const METADATA_TIMEOUT: Duration = Duration::from_secs(30);

/// A Kafka cluster with its client properties.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cluster {
    servers: String,
    properties: BTreeMap<String, String>,
}

/// A dead-letter topic.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DeadLetterTopic {
    pub(super) cluster: Cluster,
    pub(super) name: String,
}

impl Cluster {
    fn new(servers: &str, properties: &ClientProperties) -> Self {
        let properties = properties.iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { servers: servers.to_owned(), properties: properties.collect() }
    }

    fn of(definition: &ConnectorDefinition) -> Self {
        Self::new(&definition.source.bootstrap_servers, &definition.source.properties)
    }

    pub(super) fn admin(&self) -> anyhow::Result<Admin> {
        Ok(Admin::connect(&self.servers, &self.properties)?)
    }

    /// Settings of the producer for a replay.
    pub(super) fn producer(&self) -> ProducerSettings {
        let second = Duration::from_secs(1);
        ProducerSettings {
            owner: "replay".to_owned(),
            bootstrap_servers: self.servers.clone(),
            client_id: "tidegate-replay".to_owned(),
            properties: self.properties.clone(),
            timeouts: SendTimeouts { initial: second / 5, max: second, timeout: 60 * second },
        }
    }
}

impl DeadLetterTopic {
    pub(super) fn reader(&self) -> anyhow::Result<TopicReader> {
        let Cluster { servers, properties } = &self.cluster;
        Ok(TopicReader::open(servers, properties, &self.name, &replay_group(&self.name))?)
    }
}

/// The existing dead-letter topics of the selected connector, or the selected topic.
///
/// # Errors
/// When neither is given, the connector is invalid or has no dead-letter topic, or the brokers do not answer.
pub(super) fn of(host: &HostOptions, which: &Selection) -> anyhow::Result<Vec<DeadLetterTopic>> {
    let environment = Environment::process();
    let config = configure(host, &environment)?;
    match &which.connector {
        Some(name) => of_connector(&connector(&config, &environment, name)?, which),
        None => of_cluster(&config, which),
    }
}

/// As [`of`], with what the selected connector reads, or without one what any connector reads.
///
/// # Errors
/// As for [`of`].
pub(super) fn with_sources(
    host: &HostOptions,
    which: &Selection,
) -> anyhow::Result<(Vec<DeadLetterTopic>, Vec<Subscription>)> {
    let environment = Environment::process();
    let config = configure(host, &environment)?;
    let (topics, definitions) = match &which.connector {
        Some(name) => {
            let definition = connector(&config, &environment, name)?;
            (of_connector(&definition, which)?, vec![definition])
        }
        None => (of_cluster(&config, which)?, load(&config, &environment)?.0),
    };
    Ok((topics, definitions.into_iter().map(|definition| definition.source.subscription).collect()))
}

fn configure(host: &HostOptions, environment: &Environment) -> anyhow::Result<HostConfig> {
    let config = host.config(environment)?;
    setup::init_logging(&config);
    Ok(config)
}

/// The selected topic in the cluster of the host file.
fn of_cluster(config: &HostConfig, which: &Selection) -> anyhow::Result<Vec<DeadLetterTopic>> {
    let topic = which
        .topic
        .as_ref()
        .context("specify a connector, or a topic with --topic; `tidegate dead-letters list` lists both")?;
    let cluster = Cluster::new(&config.kafka.bootstrap_servers, &config.kafka.properties);
    Ok(vec![existing(cluster, topic)?])
}

/// The selected topic in the cluster of a connector, or all of the connector's.
fn of_connector(definition: &ConnectorDefinition, which: &Selection) -> anyhow::Result<Vec<DeadLetterTopic>> {
    if let Some(topic) = &which.topic {
        return Ok(vec![existing(Cluster::of(definition), topic)?]);
    }
    anyhow::ensure!(
        definition.errors.on_reject.dead_letter_policy().is_some(),
        "connector \"{}\" has no dead-letter topic: add dead_letter_topic to [errors] in {}, or specify a topic with --topic",
        definition.name,
        definition.file.display()
    );
    topics_of(definition)
}

/// The existing dead-letter topics of all connectors.
///
/// # Errors
/// When the brokers do not answer.
pub(super) fn of_all(host: &HostOptions) -> anyhow::Result<BTreeSet<DeadLetterTopic>> {
    let environment = Environment::process();
    let config = configure(host, &environment)?;
    let mut found = BTreeSet::new();
    for definition in load(&config, &environment)?.0 {
        found.extend(topics_of(&definition)?);
    }
    Ok(found)
}

fn existing(cluster: Cluster, topic: &str) -> anyhow::Result<DeadLetterTopic> {
    let found = cluster.admin()?.partitions(topic, METADATA_TIMEOUT)?;
    anyhow::ensure!(found.is_some(), "topic \"{topic}\" does not exist on {}", cluster.servers);
    Ok(DeadLetterTopic { cluster, name: topic.to_owned() })
}

/// The valid connectors, and the errors of the others.
fn load(
    config: &HostConfig,
    environment: &Environment,
) -> anyhow::Result<(Vec<ConnectorDefinition>, Vec<String>)> {
    let found = setup::inspect(config)?;
    let loaded = load_connectors(&config.connectors, config, &Catalog(&found.registry), environment);
    loaded.valid.iter().for_each(|definition| telemetry::protect(&definition.secrets).forever());
    let problems = loaded.diagnostics.errors().map(ToString::to_string);
    Ok((loaded.valid, problems.collect()))
}

fn connector(
    config: &HostConfig,
    environment: &Environment,
    name: &str,
) -> anyhow::Result<ConnectorDefinition> {
    let (valid, problems) = load(config, environment)?;
    let names: Vec<String> = valid.iter().map(|definition| definition.name.clone()).collect();
    valid.into_iter().find(|definition| definition.name == name).with_context(|| {
        let known = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let wrong = problems.iter().map(|problem| format!("\n{problem}")).collect::<String>();
        format!("no valid connector \"{name}\"; valid connectors: {known}{wrong}")
    })
}

/// The existing dead-letter topics of a connector.
fn topics_of(definition: &ConnectorDefinition) -> anyhow::Result<Vec<DeadLetterTopic>> {
    let Some(letters) = definition.errors.on_reject.dead_letter_policy() else { return Ok(vec![]) };
    let cluster = Cluster::of(definition);
    let existing = cluster.admin()?.list_topics(METADATA_TIMEOUT)?;
    let names: BTreeSet<String> = match (letters.topic.only(), &definition.source.subscription) {
        (Some(only), _) => [only.to_owned()].into(),
        (None, Subscription::Topics(topics)) => {
            topics.iter().map(|topic| letters.topic.topic(topic)).collect()
        }
        (None, Subscription::Pattern(pattern)) => {
            let read = existing.keys().filter(|topic| pattern.takes(topic));
            read.map(|topic| letters.topic.topic(topic)).collect()
        }
    };
    let there = names.into_iter().filter(|name| existing.contains_key(name));
    Ok(there.map(|name| DeadLetterTopic { cluster: cluster.clone(), name }).collect())
}
