//! Kills the host with SIGKILL while it writes the shop's events.

use std::collections::BTreeMap;

use tidegate_tests::{LogEntry, captured, captured_file, compare};

use super::Scenario;

const SET: &str = "shop-precise";
const FORMAT: &str = "json-schema";

/// The points at which the host is killed, each with the faults that stop it there.
const POINTS: [(&str, &[Fault]); 5] = [
    ("before its rows are written", &[(r#"^(MERGE|INSERT) INTO \S+\."[a-z]\w*"\s"#, 3, "delay:30")]),
    ("before its offsets move", &[(r"^MERGE INTO \S*_cdc_offsets_.*next_offset", 3, "delay:30")]),
    ("before COMMIT runs", &[("^COMMIT", 3, "delay:30")]),
    ("while COMMIT runs", &[("^COMMIT", 3, "slow:0.3")]),
    ("after COMMIT, whose answer was lost", &[("^COMMIT", 3, "lost"), ("^LOGIN", 2, "delay:30")]),
];

/// Points for rows that are uploaded to a stage.
const STAGED_POINTS: [(&str, &[Fault]); 6] = [
    ("while a file is uploaded", &[("^UPLOAD", 2, "delay:30")]),
    ("after a file was uploaded, before it is read", &[(r"^MERGE INTO \S+.*@", 2, "delay:30")]),
    ("before the files are checked", &[("^LIST", 3, "delay:30")]),
    ("before COMMIT runs", &[("^COMMIT", 3, "delay:30")]),
    ("while COMMIT runs", &[("^COMMIT", 3, "slow:0.3")]),
    ("after COMMIT, before the files are removed", &[("^REMOVE", 2, "delay:30")]),
];
const STAGED: &str = "stage_rows = \"require\"\nstage_from_bytes = 1000\n";

/// Pattern, which of the matching statements, action.
type Fault = (&'static str, usize, &'static str);

/// How the transactions in the stand-in's log ended.
#[derive(Debug, Default)]
struct Ends {
    /// Without COMMIT and ROLLBACK.
    open: usize,
    /// Of those, with written rows.
    open_with_rows: usize,
    /// With a COMMIT whose response was lost.
    responses_lost: usize,
}

fn ends(log: &[LogEntry]) -> Ends {
    let mut ends = Ends::default();
    let mut open: BTreeMap<u64, bool> = BTreeMap::new();
    for entry in log.iter().filter(|entry| entry.code.is_none() && entry.done.is_some()) {
        let Some(session) = entry.session else { continue };
        match entry.kind.as_str() {
            "BEGIN" => {
                open.insert(session, false);
            }
            "COMMIT" | "ROLLBACK" => {
                open.remove(&session);
                ends.responses_lost += usize::from(entry.fault.is_some());
            }
            "MERGE" | "INSERT" => {
                open.entry(session).and_modify(|has_rows| *has_rows = true);
            }
            _ => {}
        }
    }
    ends.open = open.len();
    ends.open_with_rows = open.values().filter(|has_rows| **has_rows).count();
    ends
}

fn written(scenario: &Scenario) -> String {
    let sql = "SELECT SUM(\"next_offset\")::NUMBER(20,0)::VARCHAR FROM \"_cdc_offsets_warehouse\"";
    scenario.query(sql).into_iter().flatten().flatten().next().unwrap_or_else(|| "0".to_owned())
}

#[test]
fn ten_kills_lose_nothing_and_write_nothing_twice() {
    kill(10, &POINTS, "");
}

#[test]
fn kills_around_uploads_lose_nothing_and_write_nothing_twice() {
    kill(6, &STAGED_POINTS, STAGED);
}

#[test]
#[ignore = "ten kills are part of the default run"]
fn twenty_kills_lose_nothing_and_write_nothing_twice() {
    kill(20, &POINTS, "");
}

#[track_caller]
fn kill(kills: usize, points: &[(&str, &[Fault])], sink: &str) {
    let Some(scenario) = Scenario::find(sink, "max_records = 50\nmax_wait = \"100ms\"\n") else { return };
    scenario.broker.load(&captured_file(&format!("{SET}/{FORMAT}.jsonl.gz")), 1);
    for (kill, (point, faults)) in points.iter().cycle().take(kills).enumerate() {
        let since = scenario.stand_in.log_end();
        scenario.stand_in.clear_faults();
        for (pattern, nth, action) in *faults {
            scenario.stand_in.fault_at(pattern, *nth, 1, action);
        }
        let mut host = scenario.start_reading();
        let (_, _, last) = faults.last().expect("a fault");
        let _statement = scenario.wait_for_fault(&mut host, since, last);
        host.signal("KILL");
        let _finished = host.finish();
        println!("kill {}: {point}; {} records are written", kill + 1, written(&scenario));
    }
    scenario.stand_in.clear_faults();
    let finished = scenario.home.run_once(&scenario.broker).expect_code(0);
    let ends = ends(&scenario.stand_in.log(0));
    let comparison = compare(SET, FORMAT, |table| {
        scenario.stand_in.query("PUBLIC", &format!("SELECT * FROM \"{table}\""))
    });
    comparison.expect_none();
    let events = captured(&format!("{SET}/{FORMAT}.jsonl.gz"));
    let views = events.iter().filter(|event| event.topic == "cdc.public.page_views").count() as i64;
    scenario.expect_once("page_views", views, &finished.stderr);
    println!(
        "{kills} kills: {} between BEGIN and COMMIT ({} of them with rows written), {} after a COMMIT without an answer; \
         {} values are equal, page_views holds {views} events once each",
        ends.open, ends.open_with_rows, ends.responses_lost, comparison.values
    );
    assert!(ends.open >= kills / 3 && ends.responses_lost >= kills / 6, "{ends:?}");
}
