//! The end of the demo: which files and tables there are, and what to do next.

use std::{
    fmt::Write,
    fs,
    path::{Path, PathBuf},
};

use rusqlite::{Connection, OpenFlags};

/// The database in the demo's folder.
const DATABASE: &str = "shop.db";

/// The files and tables in `folder`, called `shown`, and three next steps with the executable `tidegate`.
pub(crate) fn text(tidegate: &str, shown: &str, folder: &Path) -> String {
    let mut text = String::from("\n");
    let mut files = files_below(folder);
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jsonl"));
    files.sort();
    if !files.is_empty() {
        text.push_str("Files with one change per line, in JSON:\n");
    }
    for file in &files {
        let lines = fs::read(file).map_or(0, |bytes| bytes.iter().filter(|byte| **byte == b'\n').count());
        let name = file.strip_prefix(folder).unwrap_or(file).display();
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "  {lines:>5} in {shown}/{name}");
    }
    let tables = tables(&folder.join(DATABASE)).unwrap_or_default();
    if !tables.is_empty() {
        text.push_str("\nTables with the current rows:\n");
    }
    for (table, rows) in &tables {
        let _infallible = writeln!(text, "  {rows:>5} in {table}");
    }
    if !tables.is_empty() {
        let _infallible = writeln!(
            text,
            "  sqlite3 -box {shown}/{DATABASE} 'SELECT * FROM customers LIMIT 5'    shows them, if sqlite3 is installed"
        );
    }
    let _infallible = write!(
        text,
        "\nNext:\n  \
         {tidegate} plugins file    the options of a plugin; without a name: all plugins\n  \
         {tidegate} validate        check the connector files in connectors.d, which are yours to change\n  \
         {tidegate} broker          a Kafka for a first connector of your own: README.md, \"Your first connector\"\n"
    );
    text
}

/// The tables of the source in a database, each with its number of rows; an error if there is no database.
fn tables(database: &Path) -> rusqlite::Result<Vec<(String, u64)>> {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let mut names = connection.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 5) <> '_cdc_' AND name NOT LIKE '%__cdc_deleted' \
         ORDER BY name",
    )?;
    let names = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    let counted = names.into_iter().map(|name| {
        let count = format!("SELECT COUNT(*) FROM \"{}\"", name.replace('"', "\"\""));
        let rows = connection.query_row(&count, [], |row| row.get::<_, i64>(0))?;
        Ok((name, u64::try_from(rows).unwrap_or_default()))
    });
    counted.collect()
}

/// The files that connectors have written. Names that begin with a dot are the file sink's own.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let visible = entries.filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
    visible
        .map(|entry| entry.path())
        .flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_names_files_and_tables_and_three_commands() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("out/.tidegate")).unwrap();
        fs::write(folder.path().join("out/orders.jsonl"), "{}\n{}\n").unwrap();
        fs::write(folder.path().join("out/.tidegate/lock"), "").unwrap();
        let database = Connection::open(folder.path().join(DATABASE)).unwrap();
        database
            .execute_batch(
                "CREATE TABLE orders (id); INSERT INTO orders VALUES (1), (2), (3); CREATE TABLE orders__cdc_deleted (key); \
                 CREATE TABLE _cdc_offsets_x (topic)",
            )
            .unwrap();
        let text = text("target/debug/tidegate", "target/demo", folder.path());
        assert!(text.contains("      2 in target/demo/out/orders.jsonl\n\n"), "{text}");
        assert!(!text.contains("lock"), "{text}");
        assert!(text.contains("      3 in orders\n  sqlite3 -box target/demo/shop.db "), "{text}");
        assert_eq!(text.matches("\n  target/debug/tidegate ").count(), 3, "{text}");
    }
}
