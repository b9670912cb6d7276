//! User-configured primary keys of tables whose messages do not name them: `[source.key_columns]`.

use serde::{Deserialize, Serialize};

/// The primary keys of tables.
#[derive(Clone, Default, Debug, Serialize, Deserialize)]
pub struct KeyColumns(Vec<(String, Vec<String>)>);

impl KeyColumns {
    /// Sets the key of `table`, `schema.table` or, with `*`, of all others whose messages name no key. A source without schemas (MySQL) takes the
    /// database for one.
    pub fn insert(&mut self, table: &str, columns: Vec<String>) {
        self.0.push((table.to_owned(), columns));
    }

    /// The key columns of a table that is named itself. A name with a schema takes precedence over one without.
    pub(super) fn of_table(&self, qualifier: &str, table: &str) -> Option<&[String]> {
        if self.0.is_empty() {
            return None;
        }
        let is_full = |name: &str| {
            let rest = name.strip_suffix(table).and_then(|rest| rest.strip_suffix('.'));
            rest.is_some_and(|rest| rest == qualifier)
        };
        let find = |is_it: &dyn Fn(&str) -> bool| self.0.iter().find(|(name, _)| is_it(name));
        let found = find(&is_full).or_else(|| find(&|name| name == table));
        found.map(|(_, columns)| &columns[..])
    }

    /// The key columns of tables that are not named and whose messages name no key: `*`.
    pub(super) fn of_others(&self) -> Option<&[String]> {
        self.0.iter().find(|(name, _)| name == "*").map(|(_, columns)| &columns[..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_name_counts() {
        let mut keys = KeyColumns::default();
        for (table, column) in [("*", "id"), ("orders", "no"), ("shop.orders", "number")] {
            keys.insert(table, vec![column.to_owned()]);
        }
        let key = |qualifier, table| keys.of_table(qualifier, table).map(|columns| columns[0].as_str());
        assert_eq!(key("shop", "orders"), Some("number"));
        assert_eq!(key("other", "orders"), Some("no"));
        assert_eq!((key("shop", "items"), keys.of_others()), (None, Some(&["id".to_owned()][..])));
        assert_eq!(KeyColumns::default().of_table("shop", "items"), None);
    }
}
