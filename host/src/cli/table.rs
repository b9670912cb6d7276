//! Formats tables for the terminal.

use std::fmt::Write;

use tidegate_abi::printable::OneLine;

use crate::{
    pipeline::Counts,
    supervisor::{ConnectorStatus, HostStatus},
};

/// Formats rows with aligned columns. The first column and those in `text` are left-aligned; the others contain numbers
/// and are right-aligned.
fn table(rows: &[Vec<String>], text: &[usize]) -> String {
    // Cells may hold names from records, which must not look like other rows.
    let printable = |row: &Vec<String>| row.iter().map(|cell| OneLine(cell).to_string()).collect();
    let rows: Vec<Vec<String>> = rows.iter().map(printable).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or_default()).collect();
    let mut out = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let gap = if column == 0 { "" } else { "  " };
            // Writing to a string cannot fail.
            let _infallible = if column == 0 || text.contains(&column) {
                write!(line, "{gap}{cell:<width$}")
            } else {
                write!(line, "{gap}{cell:>width$}")
            };
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn row(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// The summary of a run: one line per connector.
pub(super) fn summary(status: &HostStatus) -> String {
    let header =
        ["connector", "read", "delivered", "filtered", "rejected", "committed", "dead_lettered", "seconds"];
    let mut rows = vec![row(&header)];
    for ConnectorStatus { name, counts, seconds, .. } in &status.connectors {
        let Counts { read, delivered, filtered, rejected, dead_lettered, committed, .. } = *counts;
        let numbers = [read, delivered, filtered, rejected, committed, dead_lettered];
        let mut line = vec![name.clone()];
        line.extend(numbers.iter().map(ToString::to_string));
        line.push(format!("{seconds:.1}"));
        rows.push(line);
    }
    table(&rows, &[])
}

/// The status: one line per task, followed by the reasons of failures and stalls, and the errors of files that are not
/// used.
pub(super) fn status(status: &HostStatus) -> String {
    let header = [
        "connector",
        "task",
        "state",
        "partitions",
        "lag",
        "read",
        "delivered",
        "rejected",
        "committed",
        "dead_lettered",
        "restarts",
    ];
    let mut rows = vec![row(&header)];
    let mut reasons = String::new();
    for connector in &status.connectors {
        for task in &connector.tasks {
            let mut line = vec![connector.name.clone(), task.task.to_string(), task.state.to_string()];
            let Counts { read, delivered, rejected, dead_lettered, committed, partitions, .. } = task.counts;
            let numbers = [read, delivered, rejected, committed, dead_lettered, u64::from(task.restarts)];
            line.push(partitions.to_string());
            line.push(task.counts.lag.map_or("-".to_owned(), |lag| lag.to_string()));
            line.extend(numbers.iter().map(ToString::to_string));
            rows.push(line);
            if !task.reason.is_empty() {
                let _infallible =
                    writeln!(reasons, "{}[{}]: {}", connector.name, task.task, OneLine(&task.reason));
            }
        }
    }
    for rejected in &status.rejected {
        reasons.push_str(&rejected.errors);
        reasons.push('\n');
    }
    let table = table(&rows, &[2]);
    if reasons.is_empty() { table } else { format!("{table}\n{reasons}") }
}

pub(super) fn plugins<'p>(plugins: impl Iterator<Item = [&'p str; 4]>) -> String {
    let mut rows = vec![row(&["plugin", "kind", "version", "description"])];
    rows.extend(plugins.map(|cells| row(&cells)));
    table(&rows, &[1, 2, 3])
}

/// Counts of dead-letter records: topic, connector, stage, class, records, replayed, first, last.
pub(super) fn dead_letters(lines: impl Iterator<Item = [String; 8]>) -> String {
    let header = ["topic", "connector", "stage", "class", "records", "replayed", "first", "last"];
    let mut rows = vec![row(&header)];
    rows.extend(lines.map(Vec::from));
    table(&rows, &[1, 2, 3, 6, 7])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_right_aligned_and_text_left_aligned() {
        let rows = [row(&["name", "count"]), row(&["a", "12345678"]), row(&["longer", "1"])];
        assert_eq!(table(&rows, &[]), "name       count\na       12345678\nlonger         1\n");
    }
}
