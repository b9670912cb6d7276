//! PostgreSQL's `COPY .. CSV`, in which NULL is an empty field and an empty text is `""`.

/// All records, including the header.
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

/// The first field and the rest of the text, which begins with a comma, begins with the end of a line, or is empty.
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
