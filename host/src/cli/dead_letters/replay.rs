//! `tidegate dead-letters replay`: sends the records in letters back, each once.

use std::process::ExitCode;

use clap::Args;

use super::{Which, places};
use crate::{
    cli::{HostOptions, output},
    dead_letters::{Replay, Replayed},
    kafka::producer::Producer,
};

#[derive(Debug, Args)]
pub(super) struct ReplayOptions {
    #[command(flatten)]
    which: Which,
    /// Send them to this topic [default: the one that each came from]
    #[arg(long, value_name = "TOPIC")]
    to: Option<String>,
    /// Only say what would be sent
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(host: &HostOptions, options: &ReplayOptions) -> anyhow::Result<ExitCode> {
    let filter = options.which.filter()?;
    let topics = places::of(host, &options.which)?;
    if topics.is_empty() {
        output::print_line("no dead letters")?;
    }
    for topic in &topics {
        anyhow::ensure!(
            options.to.as_deref() != Some(topic.name.as_str()),
            "--to names the dead-letter topic itself: its letters would be replayed for ever"
        );
        let reader = topic.reader()?;
        let replay = Replay {
            reader: &reader,
            producer: &mut Producer::open(&topic.cluster.producer())?,
            admin: &topic.cluster.admin()?,
            to: options.to.as_deref(),
            filter: &filter,
        };
        let replayed = if options.dry_run { rehearse(topic, replay, options)? } else { replay.run()? };
        tell(&topic.name, &replayed, options.dry_run)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn rehearse(
    topic: &places::LetterTopic,
    replay: Replay<'_>,
    options: &ReplayOptions,
) -> anyhow::Result<Replayed> {
    let mut lines = Vec::new();
    let replayed = replay.rehearse(&mut |letter| {
        let (partition, offset) = letter.place().unwrap_or_default();
        let from = letter.topic().unwrap_or_default();
        let to = options.to.as_deref().unwrap_or(from);
        lines.push(format!(
            "{}[{}] offset {} ({from}[{partition}] offset {offset}) would go to {to}",
            topic.name, letter.partition, letter.offset
        ));
    })?;
    lines.iter().try_for_each(output::print_line)?;
    Ok(replayed)
}

fn tell(topic: &str, replayed: &Replayed, dry: bool) -> anyhow::Result<()> {
    let Replayed { sent, left_out, before, no_letters } = replayed;
    let targets: Vec<String> = sent.iter().map(|(topic, count)| format!("{count} to {topic}")).collect();
    let done = if dry { "would be replayed" } else { "replayed" };
    let mut line = format!(
        "{topic}: {done}: {}",
        if targets.is_empty() { "nothing".to_owned() } else { targets.join(", ") }
    );
    for (count, what) in [
        (before, "replayed before"),
        (left_out, "left out by the filter"),
        (no_letters, "not dead letters, and left out: name a topic for them with --to"),
    ] {
        if *count > 0 {
            line.push_str(&format!("; {count} {what}"));
        }
    }
    Ok(output::print_line(line)?)
}
