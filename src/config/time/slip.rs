//! Dates as other places write them: refused, but with what was probably meant.

use chrono::NaiveDate;

/// What to write for a text that begins with a date in another order: `2026-11-25 20:54` for `25.11.2026 20:54`.
/// Where day and month could be exchanged, both.
pub(super) fn meant(text: &str) -> Option<String> {
    let (date, rest) =
        text.split_once([' ', 'T']).map_or((text, String::new()), |(date, rest)| (date, format!(" {rest}")));
    let separator = date.chars().find(|character| !character.is_ascii_digit())?;
    if !['.', '/', '-'].contains(&separator) {
        return None;
    }
    let parts: Vec<u32> = date.split(separator).map(str::parse).collect::<Result<_, _>>().ok()?;
    let &[a, b, c] = parts.as_slice() else { return None };
    let day = |year: u32, month, day| NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day);
    let mut days = match (a, c) {
        (1000.., _) => vec![day(a, b, c)?],
        (_, 1000..) if separator == '.' => vec![day(c, b, a)?],
        (_, 1000..) => [day(c, a, b), day(c, b, a)].into_iter().flatten().collect(),
        _ => return None,
    };
    days.dedup();
    let days: Vec<String> = days.into_iter().map(|day| format!("`{day}{rest}`")).collect();
    (!days.is_empty()).then(|| format!("write {}", days.join(" or ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_in_another_order_are_recognised() {
        for (text, expected) in [
            ("25.11.2026 20:54", Some("write `2026-11-25 20:54`")),
            ("5.1.2026", Some("write `2026-01-05`")),
            ("11/25/2026 20:54", Some("write `2026-11-25 20:54`")),
            ("25/11/2026", Some("write `2026-11-25`")),
            ("5/11/2026", Some("write `2026-05-11` or `2026-11-05`")),
            ("11/11/2026", Some("write `2026-11-11`")),
            ("2026/11/5", Some("write `2026-11-05`")),
            ("2026-11-5 10:00", Some("write `2026-11-05 10:00`")),
            ("2026.11.25T10:00", Some("write `2026-11-25 10:00`")),
            ("31.2.2026", None),
            ("25.11.26", None),
            ("1.2.3.2026", None),
            ("10:00", None),
            ("noon", None),
            ("", None),
        ] {
            assert_eq!(meant(text).as_deref(), expected, "{text}");
        }
    }
}
