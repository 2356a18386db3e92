//! Tables: a line a row, two spaces between columns, numbers to the right, as wide as there is room.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// A column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Column {
    name: &'static str,
    is_number: bool,
    /// Which columns go first where there is too little room: those with the greatest; 0 stays.
    spare: u8,
}

impl Column {
    /// Text, to the left.
    pub const fn text(name: &'static str) -> Column {
        Column { name, is_number: false, spare: 0 }
    }

    /// Numbers and sizes, to the right.
    pub const fn number(name: &'static str) -> Column {
        Column { name, is_number: true, spare: 0 }
    }

    /// A column that is left out where there is too little room, before those with a smaller number.
    #[must_use]
    pub const fn spare(self, order: u8) -> Column {
        Column { spare: order, ..self }
    }
}

/// The table as lines without spaces at their ends, the heads of the columns first. Where it is wider than `width`,
/// spare columns are left out. It is never broken: a line that is too long can be scrolled or cut, one that is torn
/// cannot be read.
pub fn lines(columns: &[Column], rows: &[Vec<String>], width: usize) -> Vec<String> {
    let mut columns: Vec<(usize, Column)> = columns.iter().copied().enumerate().collect();
    loop {
        let lines = all(&columns, rows);
        let fits = lines.iter().all(|line| line.chars().count() <= width);
        let spare = columns.iter().map(|(_, column)| column.spare).max().unwrap_or(0);
        if fits || spare == 0 {
            return lines;
        }
        columns.retain(|(_, column)| column.spare != spare);
    }
}

fn all(columns: &[(usize, Column)], rows: &[Vec<String>]) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|(_, column)| column.name));
    table.add_rows(rows.iter().map(|row| columns.iter().map(|&(at, _)| row.get(at).map_or("", String::as_str))));
    for (at, (_, column)) in columns.iter().enumerate() {
        let Some(drawn) = table.column_mut(at) else { continue };
        drawn.set_padding((0, 2));
        if column.is_number {
            drawn.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// A count with its thousands apart: `18 442`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] = [Column::text("DB"), Column::number("COMMITS").spare(1), Column::text("STATE")];

    fn rows() -> Vec<Vec<String>> {
        let rows = [("app.db", 18_442, "ok"), ("b", 7, "")];
        rows.map(|(db, commits, state)| vec![db.into(), count(commits), state.into()]).into()
    }

    #[test]
    fn numbers_are_to_the_right_and_lines_have_no_tail() {
        assert_eq!(lines(&COLUMNS, &rows(), 80), ["DB      COMMITS  STATE", "app.db   18 442  ok", "b             7"]);
    }

    #[test]
    fn spare_columns_go_where_there_is_too_little_room() {
        assert_eq!(lines(&COLUMNS, &rows(), 22)[0], "DB      COMMITS  STATE");
        assert_eq!(lines(&COLUMNS, &rows(), 21), ["DB      STATE", "app.db  ok", "b"]);
        assert_eq!(lines(&COLUMNS, &rows(), 3), ["DB      STATE", "app.db  ok", "b"]);
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1 000", "1 234 567"]);
    }
}
