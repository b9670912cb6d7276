//! Passwords in a file, as libpq reads them.
//!
//! Source: "The Password File" of PostgreSQL's documentation: a line is `host:port:database:user:password`, where `*` is anything, a
//! backslash escapes `:` and itself, and a line that begins with `#` is a comment. The first line that matches is used.

use std::{env, fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use tidegate_plugin::prelude::warn;

/// Whom the password is for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Login<'l> {
    pub(crate) host: &'l str,
    pub(crate) port: u16,
    pub(crate) database: &'l str,
    pub(crate) user: &'l str,
}

/// The password in the file that `PGPASSFILE` names, or in `~/.pgpass`, if there is one for this login.
pub(crate) fn password(login: Login<'_>) -> Option<String> {
    let home = || Some(PathBuf::from(env::var_os("HOME")?).join(".pgpass"));
    let path = env::var_os("PGPASSFILE").map(PathBuf::from).or_else(home)?;
    let metadata = fs::metadata(&path).ok().filter(fs::Metadata::is_file)?;
    if metadata.permissions().mode() & 0o077 != 0 {
        warn!("{} is not used, because others can read it: chmod 600 {0}", path.display());
        return None;
    }
    find(&fs::read_to_string(path).ok()?, login)
}

fn find(text: &str, login: Login<'_>) -> Option<String> {
    let port = login.port.to_string();
    let wanted = [login.host, &port, login.database, login.user];
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let fields = fields(line);
        let [host, port, database, user, password] = fields.as_slice() else { return None };
        let is_same = |(field, wanted): (&Field, &str)| field.text == wanted || field.is_any;
        let all = [host, port, database, user].into_iter().zip(wanted).all(is_same);
        all.then(|| password.text.clone())
    })
}

/// A field of a line.
struct Field {
    text: String,
    /// Whether it is a `*`, which no backslash escapes.
    is_any: bool,
}

fn fields(line: &str) -> Vec<Field> {
    let mut fields = vec![Field { text: String::new(), is_any: false }];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        let is_last = fields.len() == 5;
        let Some(field) = fields.last_mut() else { break };
        match character {
            '\\' => field.text.extend(characters.next()),
            // The password is the rest of the line.
            ':' if !is_last => {
                field.is_any = field.is_any && field.text == "*";
                fields.push(Field { text: String::new(), is_any: false });
            }
            other => {
                field.is_any = other == '*' && field.text.is_empty();
                field.text.push(other);
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: Login<'static> = Login { host: "db", port: 5432, database: "shop", user: "tide" };

    #[test]
    fn the_first_line_that_matches_has_the_password() {
        let file =
            "# db:5432:shop:tide:comment\nother:*:*:*:a\ndb:5433:*:*:b\ndb:5432:shop:tide:c\n*:*:*:*:d\n";
        assert_eq!(find(file, LOGIN), Some("c".to_owned()));
        assert_eq!(find(file, Login { user: "else", ..LOGIN }), Some("d".to_owned()));
        assert_eq!(find("db:5432:shop\n", LOGIN), None);
    }

    #[test]
    fn colons_and_backslashes_are_escaped() {
        assert_eq!(find(r"*:*:*:*:a\:b\\c:d", LOGIN), Some(r"a:b\c:d".to_owned()));
        let login = Login { database: "a:b", ..LOGIN };
        assert_eq!(find(r"db:*:a\:b:*:x", login), Some("x".to_owned()));
        assert_eq!(find(r"\*:*:*:*:x", LOGIN), None, "a name that is an asterisk");
    }
}
