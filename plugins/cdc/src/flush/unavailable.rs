//! Looks up values that events omit, before anything is written.

use std::collections::HashSet;

use tidegate_plugin::Error;

use super::{
    failure::FlushError,
    notices::Notice,
    statements::{LookupRow, Statements, ValueLookup},
    transaction::Runner,
};
use crate::{
    dialect::Dialect, options::OnUnavailable, plan::UnreadableHeader, rows::RowFormat, session::Session,
    statement::EARLY,
};

/// Runs the lookups. Inserts whose values cannot be found are rejected or cause a warning; updates always cause a warning.
///
/// # Errors
/// Errors of the database; and if an earlier step of the batch may change the result.
pub(super) async fn run<D: Dialect>(
    runner: &mut Runner<'_, impl Session>,
    statements: &mut Statements<D::Rows>,
    policy: OnUnavailable,
) -> Result<(), FlushError> {
    for lookup in std::mem::take(&mut statements.lookups) {
        let answer = answer(runner, &lookup).await?;
        let Some(statement) = lookup.statements.first() else { continue };
        for row in &lookup.rows {
            if row.numbers.clone().any(|number| answer.early.contains(&number)) {
                statements.found.push(Notice::early(&statement.source, &statement.table));
                continue;
            }
            if !row.numbers.clone().all(|number| answer.missing.contains(&number)) {
                continue;
            }
            if row.is_insert && policy == OnUnavailable::Reject {
                let reason = reason(row, &statement.table);
                if lookup.is_early {
                    // An earlier step of the batch may insert the row: split the batch, so that it is written first.
                    return Err(FlushError::Plugin(Error::rejected(reason)));
                }
                statements.rejected.push((row.record, reason));
                continue;
            }
            let lost = row.columns.iter();
            statements
                .found
                .extend(lost.map(|column| Notice::lost(&statement.source, &statement.table, column, 1)));
        }
    }
    Ok(())
}

/// Numbers of lookups.
#[derive(Default)]
struct Answer {
    /// Lookups without a value.
    missing: HashSet<usize>,
    /// Lookups whose value may still change.
    early: HashSet<usize>,
}

async fn answer<R: RowFormat>(
    runner: &mut Runner<'_, impl Session>,
    lookup: &ValueLookup<R>,
) -> Result<Answer, FlushError> {
    let mut numbers = Answer::default();
    for statement in &lookup.statements {
        let answer = runner.prepared(statement).await?;
        for answer_row in &answer.rows {
            let mut texts = answer_row.iter().map(Option::as_deref);
            let number = texts.next().flatten().and_then(|number| number.parse::<usize>().ok());
            let is_early = texts.next().flatten() == Some(EARLY);
            if is_early { &mut numbers.early } else { &mut numbers.missing }.extend(number);
        }
    }
    Ok(numbers)
}

/// Adds to each reason why the header of the record could not be parsed.
pub(super) fn explained(rejected: Vec<(u32, String)>, unreadable: &[UnreadableHeader]) -> Vec<(u32, String)> {
    let explained = |(record, reason)| match unreadable.iter().find(|unreadable| unreadable.record == record)
    {
        Some(unreadable) => (record, format!("{reason}; {}", unreadable.reason)),
        None => (record, reason),
    };
    rejected.into_iter().map(explained).collect()
}

fn reason(row: &LookupRow, table: &str) -> String {
    let columns: Vec<String> = row.columns.iter().map(|column| format!("{column:?}")).collect();
    format!(
        "the insert contains Debezium's placeholder for an unchanged value in {} of {table}, and the row that had \
         the value is neither in the batch nor in the table (key columns: {}): read the table's events from before its key \
         changed, or take a new snapshot of the row, or set on_unavailable = \"null\" to have NULL written",
        columns.join(", "),
        row.key
    )
}
