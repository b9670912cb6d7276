//! `tidegate dead-letters replay`: sends rejected records back to their topics, each once.

use std::process::ExitCode;

use clap::Args;

use super::{Selection, topics};
use crate::{
    cli::{HostOptions, output},
    dead_letters::{Replay, Replayed},
    kafka::producer::Producer,
};

#[derive(Debug, Args)]
pub(super) struct ReplayOptions {
    #[command(flatten)]
    which: Selection,
    /// Target topic [default: the source topic of each record, if the connector reads it; without a connector, if any does]
    #[arg(long, value_name = "TOPIC")]
    to: Option<String>,
    /// Show what would be sent without sending it
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(host: &HostOptions, options: &ReplayOptions) -> anyhow::Result<ExitCode> {
    let filter = options.which.filter()?;
    let (topics, read) = topics::with_sources(host, &options.which)?;
    let may_write = |topic: &str| read.iter().any(|subscription| subscription.reads(topic));
    if topics.is_empty() {
        output::print_line("no dead letters")?;
    }
    for topic in &topics {
        anyhow::ensure!(
            options.to.as_deref() != Some(topic.name.as_str()),
            "--to is the dead-letter topic itself: its records would be replayed endlessly"
        );
        let reader = topic.reader()?;
        let replay = Replay {
            reader: &reader,
            producer: &mut Producer::open(&topic.cluster.producer())?,
            admin: &topic.cluster.admin()?,
            to: options.to.as_deref(),
            may_write: &may_write,
            filter: &filter,
        };
        let replayed = if options.dry_run { dry_run(topic, replay, options)? } else { replay.run()? };
        tell(&topic.name, &replayed, options.dry_run)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn dry_run(
    topic: &topics::DeadLetterTopic,
    replay: Replay<'_>,
    options: &ReplayOptions,
) -> anyhow::Result<Replayed> {
    let mut lines = Vec::new();
    let replayed = replay.dry_run(&mut |letter| {
        let (partition, offset) = letter.source_position().unwrap_or_default();
        let from = letter.topic().unwrap_or_default();
        let to = options.to.as_deref().unwrap_or(from);
        lines.push(format!(
            "{}-{} offset {} ({from}-{partition} offset {offset}) would be sent to {to}",
            topic.name, letter.partition, letter.offset
        ));
    })?;
    lines.iter().try_for_each(output::print_line)?;
    Ok(replayed)
}

fn tell(topic: &str, replayed: &Replayed, dry: bool) -> anyhow::Result<()> {
    let Replayed { sent, skipped, already_replayed, not_dead_letters, other_topics } = replayed;
    let targets: Vec<String> = sent.iter().map(|(topic, count)| format!("{count} to {topic}")).collect();
    let done = if dry { "would be replayed" } else { "replayed" };
    let mut line = format!(
        "{topic}: {done}: {}",
        if targets.is_empty() { "nothing".to_owned() } else { targets.join(", ") }
    );
    for (count, what) in [
        (already_replayed, "already replayed"),
        (skipped, "skipped by the filter"),
        (
            not_dead_letters,
            "skipped because they are not dead-letter records: specify a target topic with --to",
        ),
        (
            other_topics,
            "skipped because they name a topic that the connector does not read: specify a target topic with --to",
        ),
    ] {
        if *count > 0 {
            line.push_str(&format!("; {count} {what}"));
        }
    }
    Ok(output::print_line(line)?)
}
