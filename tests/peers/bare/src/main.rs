//! The least that reading a topic costs with librdkafka: `tidegate-bare WORK SERVERS TOPIC PARTITIONS RECORDS FILE`.
//!
//! It reads this number of records from the beginning, prints `done`, and waits for the end of its standard input, so that its
//! memory can be measured. There is no group, no commit, no batch, no error handling.

mod consumer;
mod work;

use std::{
    env,
    fs::File,
    io::{self, BufWriter, Read, Write},
};

use crate::{consumer::Consumer, work::Work};

fn main() -> Result<(), String> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [work, servers, topic, partitions, records, file] = arguments.as_slice() else {
        return Err("usage: tidegate-bare WORK SERVERS TOPIC PARTITIONS RECORDS FILE".to_owned());
    };
    let work = Work::parse(work)?;
    let number = |text: &String| text.parse::<i32>().map_err(|error| format!("{text}: {error}"));
    let (partitions, records) = (number(partitions)?, number(records)?);
    let failed = |error: io::Error| format!("{file}: {error}");
    let mut out = BufWriter::with_capacity(1 << 20, File::create(file).map_err(failed)?);
    let consumer = Consumer::new(servers, topic, partitions)?;
    let mut read = 0;
    while read < records {
        let batch = consumer.next_batch()?;
        for value in batch.values() {
            work.run(value, &mut out).map_err(failed)?;
            read += 1;
        }
    }
    out.flush().map_err(failed)?;
    println!("done");
    io::stdin().read_to_end(&mut Vec::new()).map_err(|error| error.to_string())?;
    Ok(())
}
