//! JSON lines: `schema_version` and `type` first, then the fields of a value in their order.

use std::fmt;

use serde::{Serialize, Serializer};

/// Grows when a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
struct Line<'a, T> {
    schema_version: u32,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(flatten)]
    value: &'a T,
}

/// One line, with its end.
pub fn line(kind: &str, value: &impl Serialize) -> String {
    let line = serde_json::to_string(&Line { schema_version: SCHEMA_VERSION, kind, value });
    line.expect("values that are printed have string keys") + "\n"
}

/// A value as what its `Display` writes: times in RFC 3339, ids and checksums in hex.
pub fn text<T: fmt::Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}

/// The same for a value that may be absent.
pub fn text_or_null<T: fmt::Display, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_comes_before_the_fields_and_these_keep_their_order() {
        #[derive(Serialize)]
        struct Value {
            zulu: u32,
            alpha: Option<u32>,
        }
        let value = Value { zulu: 1, alpha: None };
        assert_eq!(line("value", &value), "{\"schema_version\":1,\"type\":\"value\",\"zulu\":1,\"alpha\":null}\n");
    }
}
