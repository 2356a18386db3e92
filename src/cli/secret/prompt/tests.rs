//! On a terminal of our own, whose other end types.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Mutex;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::super::search::tests::is;
use super::*;

/// The end at which somebody types, and the terminal.
fn pair() -> (File, OwnedFd) {
    let typist = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&typist).unwrap();
    unlockpt(&typist).unwrap();
    let name = ptsname(&typist, Vec::new()).unwrap();
    let terminal = rustix::fs::open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
    (File::from(typist), terminal)
}

fn echoes(terminal: &OwnedFd) -> bool {
    tcgetattr(terminal).unwrap().local_modes.contains(LocalModes::ECHO)
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// Types an answer to each question, and keeps what was said.
struct Typist {
    typist: Mutex<File>,
    answers: Mutex<Vec<&'static str>>,
    said: Mutex<String>,
}

impl Typist {
    fn new(typist: &File, answers: &[&'static str]) -> Typist {
        let answers = answers.iter().rev().copied().collect();
        Typist { typist: Mutex::new(typist.try_clone().unwrap()), answers: Mutex::new(answers), said: Mutex::default() }
    }

    fn hear(&self, text: &str) {
        self.said.lock().unwrap().push_str(text);
        if text.ends_with(": ")
            && let Some(answer) = self.answers.lock().unwrap().pop()
        {
            self.typist.lock().unwrap().write_all(answer.as_bytes()).unwrap();
        }
    }
}

#[test]
fn what_is_typed_is_not_shown_and_the_terminal_is_as_before() {
    let (mut typist, terminal) = pair();
    let watched = terminal.try_clone().unwrap();
    let person = Typist::new(&typist, &["correct horse\n"]);
    let found = block_on(ask(terminal, "passphrase for x: ", &|text| person.hear(text))).unwrap();
    assert!(is(&found.secret, b"correct horse"));
    assert_eq!(found.to_string(), "passphrase from the terminal");
    assert_eq!(*person.said.lock().unwrap(), "passphrase for x: \n");
    assert!(echoes(&watched));
    // What comes now is shown, and nothing was before.
    typist.write_all(b"end\n").unwrap();
    let mut shown = [0; 5];
    typist.read_exact(&mut shown).unwrap();
    assert_eq!(&shown, b"end\r\n");
}

#[test]
fn an_interrupted_question_leaves_the_terminal_as_before() {
    let (_typist, terminal) = pair();
    let watched = terminal.try_clone().unwrap();
    let limit = Duration::from_millis(100);
    let asked = block_on(async {
        let say = |_: &str| assert!(!echoes(&watched));
        tokio::time::timeout(limit, ask(terminal, "passphrase for x: ", &say)).await.map(|_| ())
    });
    assert!(asked.is_err());
    assert!(echoes(&watched));
}

#[test]
fn a_panic_leaves_the_terminal_as_before() {
    let (_typist, terminal) = pair();
    let watched = terminal.try_clone().unwrap();
    let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _silence = Silence::of(terminal).unwrap();
        assert!(!echoes(&watched));
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(ended.is_err() && echoes(&watched));
}

#[test]
fn a_new_passphrase_is_typed_twice_and_asked_for_again_if_it_is_not_the_same() {
    let (typist, terminal) = pair();
    let answers = ["short\n", "correct horse\n", "correct house\n", "correct horse\n", "correct horse\n"];
    let person = Typist::new(&typist, &answers);
    let found = block_on(ask_new(terminal, "new passphrase: ", &|text| person.hear(text))).unwrap();
    assert!(is(&found.secret, b"correct horse"));
    assert_eq!(
        *person.said.lock().unwrap(),
        "new passphrase: \na passphrase has at least 8 bytes\nnew passphrase: \nthe same again: \n\
         these two are not the same\nnew passphrase: \nthe same again: \n"
    );

    let (typist, terminal) = pair();
    let person = Typist::new(&typist, &["a\n", "b\n", "c\n"]);
    let error = block_on(ask_new(terminal, "new passphrase: ", &|text| person.hear(text))).unwrap_err();
    assert_eq!((error.code(), error.kind().exit_code()), ("key.missing", 12));
}

#[test]
fn no_answer_and_one_that_is_too_short_are_told_without_its_length() {
    for (typed, code, message) in [
        ("\x04", "key.missing", "no passphrase was typed"),
        ("1234567\n", "usage.short_passphrase", "what was typed is too short to be a passphrase"),
    ] {
        let (typist, terminal) = pair();
        let person = Typist::new(&typist, &[typed]);
        let error = block_on(ask(terminal, "passphrase: ", &|text| person.hear(text))).unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (code, message));
    }
}

#[test]
fn what_was_typed_before_the_question_is_no_answer() {
    let (mut typist, terminal) = pair();
    typist.write_all(b"typed ahead\n").unwrap();
    let mut shown = [0; 13];
    typist.read_exact(&mut shown).unwrap();
    let person = Typist::new(&typist, &["correct horse\n"]);
    let found = block_on(ask(terminal, "passphrase: ", &|text| person.hear(text))).unwrap();
    assert!(is(&found.secret, b"correct horse"));
}
