//! `tidegate dead-letters list`: counts dead-letter records by connector, stage and class.

use std::{collections::BTreeMap, ops::ControlFlow, process::ExitCode};

use clap::Args;
use serde::Serialize;

use super::{Selection, topics};
use crate::{
    cli::{HostOptions, output, table},
    dead_letters::{DeadLetter, Filter, Progress, read},
};

#[derive(Debug, Args)]
pub(super) struct ListOptions {
    #[command(flatten)]
    which: Selection,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A group of dead-letter records.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Group {
    topic: String,
    connector: String,
    stage: String,
    class: String,
}

#[derive(Clone, Debug, Default, Serialize)]
struct Count {
    records: u64,
    /// Number of these records that were replayed.
    replayed: u64,
    first: String,
    last: String,
}

#[derive(Debug, Serialize)]
struct Line<'l> {
    #[serde(flatten)]
    group: &'l Group,
    #[serde(flatten)]
    count: &'l Count,
}

impl Count {
    fn add(&mut self, letter: &DeadLetter, replayed: bool) {
        self.records += 1;
        self.replayed += u64::from(replayed);
        let time = letter.time();
        if self.first.is_empty() || time < self.first.as_str() {
            time.clone_into(&mut self.first);
        }
        if time > self.last.as_str() {
            time.clone_into(&mut self.last);
        }
    }
}

pub(super) fn run(host: &HostOptions, options: &ListOptions) -> anyhow::Result<ExitCode> {
    let which = &options.which;
    let filter = which.filter()?;
    let all = which.connector.is_none() && which.topic.is_none();
    let topics: Vec<_> =
        if all { topics::of_all(host)?.into_iter().collect() } else { topics::of(host, which)? };
    let mut counts = BTreeMap::<Group, Count>::new();
    for topic in &topics {
        count(topic, &filter, &mut counts)?;
    }
    print(&counts, options.json)
}

fn count(
    topic: &topics::DeadLetterTopic,
    filter: &Filter,
    counts: &mut BTreeMap<Group, Count>,
) -> anyhow::Result<()> {
    let reader = topic.reader()?;
    let bounds = reader.bounds()?;
    let committed = reader.committed(bounds.keys().copied())?;
    let progress: BTreeMap<i32, Progress> = committed
        .iter()
        .map(|(partition, known)| (*partition, Progress::of(known.next, &known.metadata)))
        .collect();
    read(&reader, &bounds, &mut |letter| {
        if filter.takes(&letter) {
            let group = Group {
                topic: topic.name.clone(),
                connector: letter.connector().to_owned(),
                stage: letter.stage().to_owned(),
                class: letter.class().to_owned(),
            };
            let replayed =
                progress.get(&letter.partition).is_some_and(|progress| progress.has(letter.offset));
            counts.entry(group).or_default().add(&letter, replayed);
        }
        ControlFlow::Continue(())
    })?;
    Ok(())
}

fn print(counts: &BTreeMap<Group, Count>, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        let lines: Vec<Line<'_>> = counts.iter().map(|(group, count)| Line { group, count }).collect();
        output::print_json(&lines)?;
        return Ok(ExitCode::SUCCESS);
    }
    if counts.is_empty() {
        output::print_line("no dead letters")?;
        return Ok(ExitCode::SUCCESS);
    }
    let lines = counts.iter().map(|(group, count)| {
        let Group { topic, connector, stage, class } = group.clone();
        let Count { records, replayed, first, last } = count.clone();
        [topic, connector, stage, class, records.to_string(), replayed.to_string(), first, last]
    });
    output::print(table::dead_letters(lines))?;
    Ok(ExitCode::SUCCESS)
}
