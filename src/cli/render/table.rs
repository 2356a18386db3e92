//! Tables: a line a row, two spaces between columns, numbers to the right.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets};

/// What stands in a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Column {
    /// Text, to the left.
    Text(&'static str),
    /// Numbers and sizes, to the right.
    Number(&'static str),
}

/// The table as lines without spaces at their ends. It is never broken to the width of a terminal: a line that is
/// too long can be scrolled or cut, a line that is torn cannot be read by programs.
pub fn lines(columns: &[Column], rows: impl IntoIterator<Item = Vec<String>>) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(columns.iter().map(|column| match column {
        Column::Text(name) | Column::Number(name) => *name,
    }));
    table.add_rows(rows);
    for (at, column) in columns.iter().enumerate() {
        if let (Column::Number(_), Some(table_column)) = (column, table.column_mut(at)) {
            table_column.set_cell_alignment(CellAlignment::Right);
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

    #[test]
    fn numbers_are_to_the_right_and_lines_have_no_tail() {
        let columns = [Column::Text("DB"), Column::Number("COMMITS"), Column::Text("STATE")];
        let rows = [("app.db", 18_442, "ok"), ("b", 7, "")];
        let rows = rows.map(|(db, commits, state)| vec![db.into(), count(commits), state.into()]);
        assert_eq!(lines(&columns, rows), [" DB      COMMITS  STATE", " app.db   18 442  ok", " b             7"]);
    }

    #[test]
    fn counts_have_their_thousands_apart() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(count), ["0", "999", "1 000", "1 234 567"]);
    }
}
