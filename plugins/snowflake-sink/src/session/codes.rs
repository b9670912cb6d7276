//! Classification of Snowflake's error codes.

use tidegate_cdc::session::{Cause, Class};

/// The class of an error of a statement.
pub(super) fn of_statement(code: &str, state: &str) -> Class {
    match code {
        "000603" | "000604" | "000625" | "333333" | "333334" => Class::Transient,
        "000606" | "000630" | "001042" | "090073" => Class::Capacity,
        "001795" | "100069" | "100082" => Class::TooBig,
        "000904" | "001430" | "002003" | "002043" => Class::Schema,
        "100035" | "100038" | "100039" | "100040" | "100071" | "100072" | "100078" => Class::Data,
        "001003" | "100090" => Class::Bug,
        "003001" => Class::Rights,
        // The statement does not match the table, whose columns have changed.
        _ if code.starts_with("002") => Class::Schema,
        // For any token error of a query, log in again.
        _ if code.starts_with("390") || code.starts_with("394") => Class::Session,
        _ => of_state(state),
    }
}

/// The class of an error of a login.
pub(super) fn of_login(code: &str) -> Class {
    match code {
        "394301" | "394302" => Class::Clock,
        "390186" | "390189" | "390201" => Class::Missing,
        _ if code.starts_with("390") || code.starts_with("394") => Class::Credentials,
        _ => of_statement(code, ""),
    }
}

/// The class of an HTTP status without a response of Snowflake.
pub(super) fn of_status(status: u16) -> Class {
    match status {
        408 | 429 | 500..=599 => Class::Transient,
        401 | 403 => Class::Rights,
        _ => Class::Bug,
    }
}

/// The class of an unknown code, by its SQLSTATE.
fn of_state(state: &str) -> Class {
    match state {
        "42501" => Class::Rights,
        "42S02" | "02000" | "42704" => Class::Schema,
        _ if state.starts_with("22") => Class::Data,
        _ if state.starts_with("08") || state.starts_with("57") || state == "XX000" => Class::Transient,
        _ => Class::Bug,
    }
}

/// The cause of an error of a statement.
pub(super) fn cause_of(code: &str) -> Cause {
    match code {
        "000625" => Cause::Conflict,
        "002002" | "001430" => Cause::Exists,
        // SHOW has its own code.
        "002003" | "002043" => Cause::UnknownObject,
        "000630" => Cause::Timeout,
        _ => Cause::Other,
    }
}
