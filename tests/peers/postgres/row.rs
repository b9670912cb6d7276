//! The rows of the source, which follow from their key and their version, in every form that they take.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The columns, as PostgreSQL defines them.
pub(crate) const COLUMNS: &str = "product_id integer PRIMARY KEY, sku text NOT NULL, name text NOT NULL, description text, \
                                  price numeric(10, 2) NOT NULL, weight_kg double precision, in_stock boolean NOT NULL, \
                                  attributes jsonb, updated_at timestamptz NOT NULL";
/// What is selected to compare rows: the key first.
pub(crate) const SELECTED: &str = "product_id, sku, name, description, price, weight_kg, in_stock, attributes, \
                                   (extract(epoch FROM updated_at) * 1000000)::bigint";

/// The start of 2024-01-01 in microseconds since 1970.
const MIDNIGHT: i64 = 1_704_067_200_000_000;

/// A row at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// The key.
    pub(crate) key: u32,
    /// How often it was written, from 1.
    pub(crate) version: u32,
}

impl Row {
    /// As Debezium's JSON writes it, whose schema is in [`super::event`].
    pub(crate) fn json(self) -> String {
        let attributes = self.attributes().replace('"', "\\\"");
        format!(
            r#"{{"product_id":{},"sku":"{}","name":"{}","description":"{}","price":"{}","weight_kg":{:?},"in_stock":{},"attributes":"{attributes}","updated_at":"{}"}}"#,
            self.key,
            self.sku(),
            self.name(),
            self.description(),
            STANDARD.encode(unscaled(self.cents())),
            self.weight(),
            self.is_in_stock(),
            self.updated_at(),
        )
    }

    /// As PostgreSQL prints what is [`SELECTED`].
    pub(crate) fn selected(self) -> [String; 9] {
        let cents = self.cents();
        [
            self.key.to_string(),
            self.sku(),
            self.name(),
            self.description(),
            format!("{}.{:02}", cents / 100, cents % 100),
            self.weight().to_string(),
            if self.is_in_stock() { "t" } else { "f" }.to_owned(),
            self.attributes(),
            (MIDNIGHT + self.second() * 1_000_000 + i64::from(self.version)).to_string(),
        ]
    }

    fn sku(self) -> String {
        format!("SKU-{:010}", self.key)
    }

    fn name(self) -> String {
        format!("Prodüct {}", self.key)
    }

    fn description(self) -> String {
        let sentence = format!("Long description of product {}. ", self.key);
        sentence.repeat(3)
    }

    fn cents(self) -> u32 {
        self.key % 1_000_000 * 7 + self.version * 31
    }

    fn weight(self) -> f64 {
        f64::from((self.key + self.version) % 1000) / 8.0
    }

    fn is_in_stock(self) -> bool {
        (self.key + self.version).is_multiple_of(2)
    }

    /// In the form of `jsonb`: names by their length, and spaces after colons and commas.
    fn attributes(self) -> String {
        format!(r#"{{"rev": {}, "tags": ["t{}", "t1"], "color": "green"}}"#, self.version, self.key % 5)
    }

    /// On 2024-01-01.
    fn updated_at(self) -> String {
        let second = self.second();
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        format!("2024-01-01T{hour:02}:{minute:02}:{second:02}.{:06}Z", self.version)
    }

    /// The second of the day.
    fn second(self) -> i64 {
        i64::from(self.key % 86_400)
    }
}

/// A number in two's complement with as few bytes as possible, as Connect's decimals have it.
fn unscaled(number: u32) -> Vec<u8> {
    let bytes = i64::from(number).to_be_bytes();
    // The first byte that remains has the sign.
    let needless = bytes.windows(2).take_while(|pair| pair[0] == 0 && pair[1] < 0x80).count();
    bytes[needless..].to_vec()
}
