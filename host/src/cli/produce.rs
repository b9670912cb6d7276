//! `tidegate produce`: writes lines to a topic, each as one record.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::Context;
use clap::Args;

use super::{HostOptions, output, setup};
use crate::{
    config::{Environment, HostConfig},
    kafka::producer::{Producer, ProducerRecord, ProducerSettings, SendProgress, SendTimeouts},
};

/// Records that are sent before their acknowledgements are waited for.
const MAX_RECORDS: usize = 1000;
/// Bytes of lines, likewise.
const MAX_BYTES: usize = 8 << 20;
/// A wait for the brokers that is shorter is not reported.
const REPORT_AFTER: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct ProduceOptions {
    /// Topic to write to
    topic: String,
    /// Files to read; `-` is standard input [default: standard input]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Text between key and value; `\t` is a tab. A line without it has no key [default: no record has a key]
    #[arg(short = 'K', long, value_name = "TEXT")]
    key_separator: Option<String>,
    /// Header of every record; can be repeated
    #[arg(short = 'H', long, value_name = "NAME=VALUE")]
    header: Vec<String>,
    /// Partition of every record [default: by a hash of the key, or any]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Send an empty value as null: a tombstone
    #[arg(short = 'Z', long)]
    null: bool,
}

pub(super) fn run(host: &HostOptions, options: &ProduceOptions) -> anyhow::Result<ExitCode> {
    let config = host.config(&Environment::process())?;
    setup::init_logging(&config);
    let headers = options.header.iter().map(|header| parse_header(header)).collect::<Result<_, _>>()?;
    let mut target = Target {
        producer: Producer::open(&settings(&config))?,
        options,
        separator: options.key_separator.as_ref().map(|text| text.replace("\\t", "\t").into_bytes()),
        headers,
        sent: 0,
    };
    anyhow::ensure!(
        target.separator.as_ref().is_none_or(|separator| !separator.is_empty()),
        "--key-separator is empty: name the text between key and value, such as `:`"
    );
    let stdin = [PathBuf::from("-")];
    let files = if options.files.is_empty() { &stdin[..] } else { &options.files };
    let outcome = files.iter().try_for_each(|file| target.send_file(file));
    let report = format!("{} sent to {}", output::count(target.sent, "record"), options.topic);
    outcome.with_context(|| report.clone())?;
    output::print_line(report)?;
    Ok(ExitCode::SUCCESS)
}

fn settings(config: &HostConfig) -> ProducerSettings {
    let properties = config.kafka.properties.iter();
    let second = Duration::from_secs(1);
    ProducerSettings {
        owner: "produce".to_owned(),
        bootstrap_servers: config.kafka.bootstrap_servers.clone(),
        client_id: "tidegate-produce".to_owned(),
        properties: properties.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        timeouts: SendTimeouts { initial: second / 5, max: second, timeout: 60 * second },
    }
}

fn parse_header(text: &str) -> anyhow::Result<(&[u8], Option<&[u8]>)> {
    let (name, value) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .with_context(|| format!("--header {text:?} is not of the form NAME=VALUE"))?;
    Ok((name.as_bytes(), Some(value.as_bytes())))
}

/// The topic that is written to.
struct Target<'o> {
    producer: Producer,
    options: &'o ProduceOptions,
    separator: Option<Vec<u8>>,
    headers: Vec<(&'o [u8], Option<&'o [u8]>)>,
    sent: u64,
}

impl Target<'_> {
    fn send_file(&mut self, path: &Path) -> anyhow::Result<()> {
        if path == Path::new("-") {
            return self.send_lines(io::stdin().lock()).context("standard input");
        }
        let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
        self.send_lines(file).with_context(|| path.display().to_string())
    }

    /// Sends every line. Lines that are there together are sent together; a line that somebody types is sent at once.
    fn send_lines(&mut self, input: impl Read) -> anyhow::Result<()> {
        let mut input = BufReader::new(input);
        let (mut lines, mut bytes) = (Vec::new(), 0);
        loop {
            let mut line = Vec::new();
            if input.read_until(b'\n', &mut line)? == 0 {
                return self.send(&lines);
            }
            line.pop_if(|last| *last == b'\n');
            bytes += line.len();
            lines.push(line);
            let more_is_there = input.buffer().contains(&b'\n');
            if !more_is_there || lines.len() >= MAX_RECORDS || bytes >= MAX_BYTES {
                self.send(&lines)?;
                (lines, bytes) = (Vec::new(), 0);
            }
        }
    }

    fn send(&mut self, lines: &[Vec<u8>]) -> anyhow::Result<()> {
        let Self { producer, options, separator, headers, sent } = self;
        let headers: &[_] = headers;
        let records = lines.iter().map(|line| {
            let (key, value) = split(line, separator.as_deref());
            ProducerRecord {
                topic: &options.topic,
                partition: options.partition,
                timestamp_ms: None,
                key,
                value: Some(value).filter(|value| !(options.null && value.is_empty())),
                headers,
            }
        });
        let mut reported = false;
        producer.send(records, &mut |progress| {
            if !reported && progress.since >= REPORT_AFTER {
                reported = true;
                report_wait(&progress);
            }
            true
        })?;
        *sent += lines.len() as u64;
        Ok(())
    }
}

fn report_wait(progress: &SendProgress<'_>) {
    let reason = progress.reason.unwrap_or("nothing was acknowledged yet");
    tracing::warn!("waiting for the Kafka brokers: {reason}");
}

/// Key and value of a line.
fn split<'l>(line: &'l [u8], separator: Option<&[u8]>) -> (Option<&'l [u8]>, &'l [u8]) {
    let Some(separator) = separator else { return (None, line) };
    match line.windows(separator.len()).position(|window| window == separator) {
        Some(at) => (Some(&line[..at]), &line[at + separator.len()..]),
        None => (None, line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_separator_ends_the_key() {
        assert_eq!(split(b"a:b:c", None), (None, &b"a:b:c"[..]));
        assert_eq!(split(b"a:b:c", Some(b":")), (Some(&b"a"[..]), &b"b:c"[..]));
        assert_eq!(split(b"::x", Some(b"::")), (Some(&b""[..]), &b"x"[..]));
        assert_eq!(split(b"abc", Some(b"::")), (None, &b"abc"[..]));
        assert_eq!(split(b"a", Some(b"::")), (None, &b"a"[..]));
    }

    #[test]
    fn headers_are_names_and_values() {
        assert_eq!(parse_header("a=b=c").unwrap(), (&b"a"[..], Some(&b"b=c"[..])));
        assert_eq!(parse_header("a=").unwrap(), (&b"a"[..], Some(&b""[..])));
        for wrong in ["a", "=b"] {
            let error = parse_header(wrong).unwrap_err().to_string();
            assert!(error.contains("is not of the form NAME=VALUE"), "{error}");
        }
    }
}
