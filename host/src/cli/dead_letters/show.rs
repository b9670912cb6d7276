//! `tidegate dead-letters show`: shows dead-letter records as text or JSON.

use std::{collections::VecDeque, fmt::Write as _, ops::ControlFlow, process::ExitCode};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clap::Args;
use serde_json::{Value as Json, json};
use tidegate_abi::Timestamp;

use super::{Selection, topics};
use tidegate_abi::printable::OneLine;

use crate::{
    cli::{HostOptions, output},
    dead_letters::{DeadLetter, Filter, read},
};

#[derive(Debug, Args)]
pub(super) struct ShowOptions {
    #[command(flatten)]
    which: Selection,
    /// Partition of the dead-letter topic, with --offset
    #[arg(long, value_name = "P", requires = "offset", conflicts_with_all = ["last", "limit"])]
    partition: Option<i32>,
    /// Offset in that partition
    #[arg(long, value_name = "O", requires = "partition")]
    offset: Option<i64>,
    /// Show the newest N records of each topic [default: 10]
    #[arg(long, value_name = "N", conflicts_with = "limit")]
    last: Option<usize>,
    /// Show the oldest N records of each topic
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(host: &HostOptions, options: &ShowOptions) -> anyhow::Result<ExitCode> {
    let filter = options.which.filter()?;
    let mut shown = Vec::new();
    for topic in topics::of(host, &options.which)? {
        let letters = collect(&topic, options, &filter)?;
        shown.extend(letters.into_iter().map(|letter| (topic.name.clone(), letter)));
    }
    if let (Some(partition), Some(offset)) = (options.partition, options.offset) {
        anyhow::ensure!(
            !shown.is_empty(),
            "there is no dead-letter record in partition {partition} at offset {offset}"
        );
    }
    if options.json {
        let letters: Vec<Json> = shown.iter().map(|(topic, letter)| to_json(topic, letter)).collect();
        output::print_json(&letters)?;
        return Ok(ExitCode::SUCCESS);
    }
    if shown.is_empty() {
        output::print_line("no dead letters")?;
    }
    for (topic, letter) in &shown {
        output::print(to_text(topic, letter))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The selected records of one topic.
fn collect(
    topic: &topics::DeadLetterTopic,
    options: &ShowOptions,
    filter: &Filter,
) -> anyhow::Result<VecDeque<DeadLetter>> {
    let reader = topic.reader()?;
    let mut bounds = reader.bounds()?;
    let most = options.limit.or(options.last).unwrap_or(10);
    match (options.partition, options.offset) {
        (Some(partition), Some(offset)) => {
            bounds.retain(|at, range| *at == partition && range.contains(&offset));
            bounds.values_mut().for_each(|range| *range = offset..offset + 1);
        }
        _ if options.limit.is_none() && filter.is_empty() => {
            let most = i64::try_from(most).unwrap_or(i64::MAX);
            bounds
                .values_mut()
                .for_each(|range| range.start = range.start.max(range.end.saturating_sub(most)));
        }
        _ => {}
    }
    let mut letters = VecDeque::new();
    read(&reader, &bounds, &mut |letter| {
        if filter.takes(&letter) {
            letters.push_back(letter);
        }
        if options.limit.is_none() && letters.len() > most && bounds.len() == 1 {
            letters.pop_front();
        }
        let enough = options.limit.is_some() && letters.len() >= most && bounds.len() == 1;
        if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    // Records of different partitions arrive in any order.
    letters
        .make_contiguous()
        .sort_by(|a, b| (a.time(), a.partition, a.offset).cmp(&(b.time(), b.partition, b.offset)));
    match options.limit {
        Some(most) => letters.truncate(most),
        None => drop(letters.drain(..letters.len().saturating_sub(most))),
    }
    Ok(letters)
}

fn to_text(topic: &str, letter: &DeadLetter) -> String {
    let mut text = format!("{topic}-{} offset {}\n", letter.partition, letter.offset);
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            // Writing to a string cannot fail.
            let _infallible = writeln!(text, "  {name:<8} {}", OneLine(&value));
        }
    };
    let place = match (letter.topic(), letter.source_position()) {
        (Some(topic), Some((partition, offset))) => format!("{topic}-{partition} offset {offset}"),
        (Some(topic), None) => topic.to_owned(),
        (None, _) => "unknown: not a dead-letter record".to_owned(),
    };
    line("from", place);
    line(
        "rejected",
        format!(
            "{} by {}[{}], attempt {}",
            letter.time(),
            letter.connector(),
            letter.task(),
            letter.attempts()
        ),
    );
    line(
        "stage",
        format!("{} {} ({}), class {}", letter.stage(), letter.name(), letter.plugin(), letter.class()),
    );
    line("reason", letter.reason().to_owned());
    line("time", time(letter.timestamp_ms));
    line("key", readable(letter.key.as_deref()));
    line("value", readable(letter.value.as_deref()));
    for (name, value) in letter.own_headers() {
        line("header", format!("{} = {}", String::from_utf8_lossy(name), readable(value.as_deref())));
    }
    text.push('\n');
    text
}

fn time(timestamp_ms: Option<i64>) -> String {
    timestamp_ms.map_or_else(String::new, |millis| Timestamp::from_parts(millis, 1000, Some(0)).to_string())
}

fn readable(bytes: Option<&[u8]>) -> String {
    match bytes.map(std::str::from_utf8) {
        None => "null".to_owned(),
        Some(Ok(text)) => text.to_owned(),
        Some(Err(_)) => format!("base64:{}", STANDARD.encode(bytes.unwrap_or_default())),
    }
}

fn to_json(topic: &str, letter: &DeadLetter) -> Json {
    let place = letter.source_position();
    let headers = letter.own_headers().iter().map(|(name, value)| {
        let mut header = json!({ "name": String::from_utf8_lossy(name) });
        put(&mut header, "value", value.as_deref());
        header
    });
    let mut shown = json!({
        "topic": topic,
        "partition": letter.partition,
        "offset": letter.offset,
        "from": {
            "topic": letter.topic(),
            "partition": place.map(|(partition, _)| partition),
            "offset": place.map(|(_, offset)| offset),
        },
        "rejected_at": letter.time(),
        "connector": letter.connector(),
        "task": letter.task(),
        "stage": letter.stage(),
        "name": letter.name(),
        "plugin": letter.plugin(),
        "class": letter.class(),
        "reason": letter.reason(),
        "attempts": letter.attempts(),
        "timestamp_ms": letter.timestamp_ms,
        "headers": headers.collect::<Vec<_>>(),
    });
    put(&mut shown, "key", letter.key.as_deref());
    put(&mut shown, "value", letter.value.as_deref());
    shown
}

/// Adds bytes as text, or as base64 under the name `<name>_base64`; null stays null.
fn put(object: &mut Json, name: &str, bytes: Option<&[u8]>) {
    match bytes.map(std::str::from_utf8) {
        None => object[name] = Json::Null,
        Some(Ok(text)) => object[name] = text.into(),
        Some(Err(_)) => {
            object[format!("{name}_base64")] = STANDARD.encode(bytes.unwrap_or_default()).into();
        }
    }
}
