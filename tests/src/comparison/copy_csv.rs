//! PostgreSQL's `COPY .. CSV`: NULL is nothing at all, an empty text is `""`.

/// The records of a text, the header first.
pub(crate) fn records(text: &str) -> Vec<Vec<Option<String>>> {
    let mut records = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut record = Vec::new();
        loop {
            let (field, behind) = field(rest);
            record.push(field);
            let mut characters = behind.chars();
            let separator = characters.next();
            rest = characters.as_str();
            if separator != Some(',') {
                break;
            }
        }
        records.push(record);
    }
    records
}

/// The first field, and what is behind it: a comma, the end of a line, or nothing.
fn field(text: &str) -> (Option<String>, &str) {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\n']).unwrap_or(text.len());
        let (field, behind) = text.split_at(end);
        return ((!field.is_empty()).then(|| field.to_owned()), behind);
    };
    let mut field = String::new();
    loop {
        let (part, behind) = rest.split_once('"').unwrap_or((rest, ""));
        field.push_str(part);
        match behind.strip_prefix('"') {
            Some(more) => {
                field.push('"');
                rest = more;
            }
            None => return (Some(field), behind),
        }
    }
}
