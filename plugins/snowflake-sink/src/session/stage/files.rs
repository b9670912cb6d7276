//! Files in a stage, as LIST returns them.

use std::collections::BTreeMap;

use tidegate_cdc::session::{Answer, StoredFile};

/// Age in seconds after which files were left behind. No transaction takes as long.
const OLD: u64 = 24 * 3_600;

/// A file of a stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its path below the listed folder.
    below: String,
    /// Its path in the stage.
    path: String,
    bytes: u64,
}

impl Listed {
    /// Whether this is a stored file, completely.
    pub(super) fn is(&self, stored: &StoredFile) -> bool {
        let path = stored.location.trim_end_matches('\'');
        path.strip_suffix(&self.path).is_some_and(|rest| rest.ends_with('/')) && self.bytes == stored.bytes
    }
}

/// The files in the result of LIST: name with the stage, size, and more. Files that are not below `folder` are skipped.
pub(super) fn listed(answer: &Answer, folder: &str) -> Vec<Listed> {
    let file = |row: &Vec<Option<String>>| {
        let (name, bytes) = (row.first()?.as_deref()?, row.get(1)?.as_deref()?);
        // Before the folder, there is the name of the stage, possibly in another case.
        let start = name.find(&format!("/{folder}"))? + 1;
        let path = name.get(start..)?.to_owned();
        let below = path.strip_prefix(folder)?.to_owned();
        Some(Listed { below, path, bytes: bytes.parse().ok()? })
    };
    answer.rows.iter().filter_map(file).collect()
}

/// Folders of sessions, below that of their connector, whose files are all old.
pub(super) fn left_behind(files: &[Listed], now: u64) -> Vec<String> {
    let mut newest: BTreeMap<&str, u64> = BTreeMap::new();
    for file in files {
        let Some((folder, name)) = file.below.split_once('/') else { continue };
        // A name begins with the time of the upload. Files of others are never old.
        let time = name.split('-').next().and_then(|time| time.parse().ok()).unwrap_or(u64::MAX);
        let newest = newest.entry(folder).or_default();
        *newest = time.max(*newest);
    }
    let old = newest.into_iter().filter(|(_, time)| now.checked_sub(*time).is_some_and(|age| age > OLD));
    old.map(|(folder, _)| format!("{folder}/")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(files: &[(&str, &str)]) -> Answer {
        let row = |(name, bytes): &(&str, &str)| vec![Some((*name).to_owned()), Some((*bytes).to_owned())];
        Answer { rows: files.iter().map(row).collect(), ..Answer::default() }
    }

    #[test]
    fn a_file_is_found_by_path_and_size() {
        let stored = |location: &str| StoredFile { location: location.to_owned(), bytes: 70 };
        let files = answer(&[("_CDC_stage/ab12/0-ff/1000-0.json.gz", "70")]);
        let found = listed(&files, "ab12/0-ff/");
        assert!(found[0].is(&stored(r#"'@"D"."S"."_cdc_stage"/ab12/0-ff/1000-0.json.gz'"#)));
        assert!(!found[0].is(&stored(r#"'@"D"."S"."_cdc_stage"/ab12/0-ff/1000-1.json.gz'"#)));
        let shorter = listed(&answer(&[("_cdc_stage/ab12/0-ff/1000-0.json.gz", "69")]), "ab12/");
        assert!(!shorter[0].is(&stored(r#"'@"D"."S"."_cdc_stage"/ab12/0-ff/1000-0.json.gz'"#)));
        assert_eq!(listed(&answer(&[("_cdc_stage/other/1000-0.json.gz", "70")]), "ab12/"), []);
    }

    #[test]
    fn only_folders_without_new_files_are_left_behind() {
        let files = answer(&[
            ("stage/ab12/0-aa/1000-0.json.gz", "1"),
            ("stage/ab12/0-bb/1000-0.json.gz", "1"),
            ("stage/ab12/0-bb/90000-1.json.gz", "1"),
            ("stage/ab12/notes/readme.txt", "1"),
        ]);
        assert_eq!(left_behind(&listed(&files, "ab12/"), 1_000 + OLD + 1), ["0-aa/"]);
        assert!(left_behind(&listed(&files, "ab12/"), 1_000 + OLD).is_empty());
        assert!(left_behind(&listed(&files, "ab12/"), 10).is_empty(), "the clock went back since the upload");
    }
}
