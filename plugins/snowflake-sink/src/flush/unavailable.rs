//! Values that events leave out and nothing else has: asked for before anything is written.

use std::collections::HashSet;

use tidegate_plugin::Error;

use super::{
    failure::Trouble,
    notices::Found,
    statements::{Question, Sought, Statements},
    transaction::Runner,
};
use crate::{config::OnUnavailable, plan::Unreadable, sql::EARLY};

/// Asks what has to be asked. Inserts whose values are nowhere are rejected, or become a finding; updates always become one.
///
/// # Errors
/// What Snowflake says; and when rows cannot be told from others of their batch.
pub(super) async fn ask(
    runner: &mut Runner<'_>,
    statements: &mut Statements,
    policy: OnUnavailable,
) -> Result<(), Trouble> {
    for question in std::mem::take(&mut statements.questions) {
        let answer = answer(runner, &question).await?;
        let Some(asked) = question.asked.first() else { continue };
        for sought in &question.rows {
            if sought.numbers.clone().any(|number| answer.early.contains(&number)) {
                statements.found.push(Found::early(&asked.source, &asked.table));
                continue;
            }
            if !sought.numbers.clone().all(|number| answer.nowhere.contains(&number)) {
                continue;
            }
            if sought.is_insert && policy == OnUnavailable::Reject {
                let reason = reason(sought, &asked.table);
                if question.is_early {
                    // An earlier step of the batch may bring the row: alone, it is written first.
                    return Err(Trouble::Tidegate(Error::rejected(reason)));
                }
                statements.rejected.push((sought.record, reason));
                continue;
            }
            let lost = sought.columns.iter();
            statements.found.extend(lost.map(|column| Found::lost(&asked.source, &asked.table, column, 1)));
        }
    }
    Ok(())
}

/// The numbers of places.
#[derive(Default)]
struct Answer {
    /// Those that have no value.
    nowhere: HashSet<usize>,
    /// Those whose value may still change.
    early: HashSet<usize>,
}

async fn answer(runner: &mut Runner<'_>, question: &Question) -> Result<Answer, Trouble> {
    let mut numbers = Answer::default();
    for asked in &question.asked {
        let answer = runner.run(asked.kind, Some(&asked.table), &asked.text, &asked.all_binds(None)).await?;
        for row in &answer.rows {
            let mut texts = row.iter().map(Option::as_deref);
            let number = texts.next().flatten().and_then(|number| number.parse::<usize>().ok());
            let is_early = texts.next().flatten() == Some(EARLY);
            if is_early { &mut numbers.early } else { &mut numbers.nowhere }.extend(number);
        }
    }
    Ok(numbers)
}

/// Reasons, each with why the record's header did not help.
pub(super) fn explained(refused: Vec<(u32, String)>, unreadable: &[Unreadable]) -> Vec<(u32, String)> {
    let explained = |(record, reason)| match unreadable.iter().find(|unreadable| unreadable.record == record)
    {
        Some(unreadable) => (record, format!("{reason}; {}", unreadable.reason)),
        None => (record, reason),
    };
    refused.into_iter().map(explained).collect()
}

fn reason(sought: &Sought, table: &str) -> String {
    let columns: Vec<String> = sought.columns.iter().map(|column| format!("{column:?}")).collect();
    format!(
        "the insert holds Debezium's placeholder in {} of {table}, for a value that did not change, and the row that had \
         it is neither in the batch nor in the table (key columns: {}): read the table's events from before its key \
         changed, or take a new snapshot of the row, or set on_unavailable = \"null\" to have NULL written",
        columns.join(", "),
        sought.key
    )
}
