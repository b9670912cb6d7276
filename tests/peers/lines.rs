//! Lines of an output file: waiting for them, and comparing them whatever their order.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Seek, SeekFrom},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use openssl::sha::sha256;
use tidegate_tests::TIMEOUT;

use crate::process::{Usage, usage};

/// How often a file is looked at.
const STEP: Duration = Duration::from_millis(5);
/// Lines are counted when the file has not grown for this long: reading a file takes time from the program that writes it.
const QUIET: Duration = Duration::from_millis(300);

/// When a file grew.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written {
    /// When it was found with the first bytes.
    pub(crate) first: Instant,
    /// When it was found with all lines.
    pub(crate) last: Instant,
    /// What the process that writes it had used by then.
    pub(crate) usage: Usage,
}

/// Waits until a file, which may not exist yet, has this number of lines.
///
/// # Panics
/// If the process ends, or the file stays shorter.
pub(crate) fn wait_for(path: &Path, lines: u64, pid: u32) -> Written {
    let now = Instant::now();
    let mut written = Written { first: now, last: now, usage: usage(pid) };
    let mut counter = Counter::default();
    let mut size = 0;
    loop {
        let found = fs::metadata(path).map_or(0, |metadata| metadata.len());
        if found != size {
            let now = Instant::now();
            if size == 0 {
                written.first = now;
            }
            size = found;
            (written.last, written.usage) = (now, usage(pid));
        } else if size > counter.bytes && written.last.elapsed() > QUIET && counter.count(path) >= lines {
            return written;
        }
        assert!(
            written.last.elapsed() < TIMEOUT,
            "{} has {} lines of {lines}, and no more come",
            path.display(),
            counter.lines
        );
        // Panics if the process has ended.
        usage(pid);
        thread::sleep(STEP);
    }
}

/// Counts the lines of a growing file.
#[derive(Default)]
struct Counter {
    bytes: u64,
    lines: u64,
}

impl Counter {
    /// The lines of the file by now.
    fn count(&mut self, path: &Path) -> u64 {
        let mut file = File::open(path).expect("a file of lines");
        file.seek(SeekFrom::Start(self.bytes)).expect("a file that was longer before");
        let mut buffer = vec![0; 1 << 20];
        loop {
            let read = file.read(&mut buffer).expect("a readable file");
            if read == 0 {
                return self.lines;
            }
            self.bytes += read as u64;
            self.lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64;
        }
    }
}

/// Number and sum of the hashes of lines: equal for the same lines in any order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    lines: u64,
    sum: u128,
}

impl Digest {
    /// Of a file. `canonical` turns a line into the bytes that are compared.
    ///
    /// # Panics
    /// If the file cannot be read.
    pub(crate) fn of(path: &Path, canonical: impl Fn(&[u8]) -> Vec<u8>) -> Self {
        let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut file = BufReader::with_capacity(1 << 20, file);
        let (mut digest, mut line) = (Self::default(), Vec::new());
        while file.read_until(b'\n', &mut line).expect("a readable file") > 0 {
            digest.add(&canonical(line.strip_suffix(b"\n").unwrap_or(&line)));
            line.clear();
        }
        digest
    }

    fn add(&mut self, line: &[u8]) {
        let hash = sha256(line);
        let half: [u8; 16] = hash[..16].try_into().expect("a hash of 32 bytes");
        self.lines += 1;
        self.sum = self.sum.wrapping_add(u128::from_be_bytes(half));
    }
}
