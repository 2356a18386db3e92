//! How slots and data keys look.

use serde::Serialize;

use crate::cli::ui::Ui;
use crate::keys::{Condition, SlotInfo};
use crate::seal::{Cost, SecretKind};

/// A slot in JSON. What cannot be read is absent.
#[derive(Serialize)]
pub(super) struct Slot<'a> {
    id: String,
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    argon2: Option<Argon2>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
}

#[derive(Serialize)]
struct Argon2 {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

impl<'a> Slot<'a> {
    pub(super) fn of(slot: &'a SlotInfo) -> Slot<'a> {
        let (state, problem) = match &slot.condition {
            Condition::Whole => ("whole", None),
            Condition::OfAnother(replica) => ("other_replica", Some(format!("it is of replica {replica}"))),
            Condition::Damaged(error) => ("damaged", Some(error.to_string())),
        };
        Slot {
            id: slot.id.to_string(),
            state,
            problem,
            label: slot.kind.map(|_| slot.label.as_str()),
            kind: slot.kind.map(kind),
            argon2: slot.cost.map(|Cost { memory_kib, passes, lanes }| Argon2 { memory_kib, passes, lanes }),
            created_at: slot.created.map(|at| at.to_string()),
        }
    }
}

/// Something that was done with one slot.
#[derive(Serialize)]
pub(super) struct OneSlot<'a> {
    pub(super) slot: Slot<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) slots_left: Option<usize>,
}

/// The kind of a secret as programs read it.
pub(super) fn kind(kind: SecretKind) -> &'static str {
    match kind {
        SecretKind::Passphrase => "passphrase",
        SecretKind::KeyFile => "key",
        SecretKind::RecoveryKit => "recovery_kit",
    }
}

/// A label as it can be shown: whoever writes to the bucket could have put anything there.
pub(super) fn label(label: &str) -> String {
    label.escape_debug().to_string()
}

/// A slot in a sentence: `5de78078f3e17567 (ops, passphrase, made 2026-11-22 09:00:00)`.
pub(super) fn slot(slot: &SlotInfo, ui: &Ui) -> String {
    let mut about: Vec<String> = Vec::new();
    if !slot.label.is_empty() {
        about.push(label(&slot.label));
    }
    about.extend(slot.kind.map(|it| kind(it).to_owned()));
    about.extend(slot.created.map(|at| format!("made {}", ui.time(at))));
    if !slot.is_whole() {
        about.push("damaged".into());
    }
    format!("{} ({})", slot.id, about.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_moves_no_cursor() {
        assert_eq!(label("ops é 日本"), "ops é 日本");
        assert_eq!(label("\u{1b}[31m\r\n\u{202e}x"), "\\u{1b}[31m\\r\\n\\u{202e}x");
    }
}
