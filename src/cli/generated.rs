//! `waloy completions` and `waloy man`: what is made from the command line itself.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap_complete::Shell;

use super::args::command;
use super::context::Context;
use super::exit::Exit;
use super::{codes, reference};
use crate::error::{Error, Kind, Result};

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy completions bash > /etc/bash_completion.d/waloy
  waloy completions zsh > ~/.zfunc/_waloy
  waloy completions fish > ~/.config/fish/completions/waloy.fish
")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Write the manual pages
#[derive(Debug, clap::Args)]
pub struct ManArgs {
    /// Write one page a command into this directory, instead of the first to standard output
    #[arg(long, value_name = "DIR", value_hint = clap::ValueHint::DirPath)]
    dir: Option<PathBuf>,
}

/// Prints a completion script.
///
/// # Errors
///
/// None; the signature is that of every command.
pub fn completions(context: &Context, args: CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "waloy", &mut script);
    context.ui.raw(&String::from_utf8_lossy(&script));
    Ok(Exit::Ok)
}

/// Writes the manual pages.
///
/// # Errors
///
/// Those of the file system.
pub fn man(context: &Context, args: ManArgs) -> Result<Exit> {
    let mut all = command();
    all.build();
    let pages = pages(&all, "waloy");
    let names: Vec<String> = pages.iter().map(|(name, _)| name.clone()).collect();
    let Some(dir) = args.dir else {
        context.ui.raw(&String::from_utf8_lossy(&page(&all, "waloy", &names)?));
        return Ok(Exit::Ok);
    };
    for (name, command) in &pages {
        write(&dir.join(format!("{name}.1")), &page(command, name, &names)?)?;
    }
    write(&dir.join("waloy-errors.7"), codes::page().as_bytes())?;
    Ok(Exit::Ok)
}

/// The commands that have a page, each before those below it, with the names of their pages.
fn pages<'a>(command: &'a clap::Command, name: &str) -> Vec<(String, &'a clap::Command)> {
    let below = command.get_subcommands().filter(|command| !command.is_hide_set() && command.get_name() != "help");
    let below = below.flat_map(|command| pages(command, &format!("{name}-{}", command.get_name())));
    std::iter::once((name.to_owned(), command)).chain(below).collect()
}

/// The manual page of one command. Without a date: the same source gives the same bytes.
fn page(command: &clap::Command, name: &str, names: &[String]) -> Result<Vec<u8>> {
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone())
        .title(name)
        .source(format!("waloy {}", env!("CARGO_PKG_VERSION")))
        .manual("waloy");
    let rendered = man
        .render_title(&mut page)
        .and_then(|()| man.render_name_section(&mut page))
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| man.render_options_section(&mut page))
        .and_then(|()| match command.get_subcommands().next() {
            Some(_) => man.render_subcommands_section(&mut page),
            None => Ok(()),
        });
    rendered.map_err(|error| Error::new(Kind::Failure, "output.failed", "cannot write a page").because(error))?;
    page = once(&page);
    if let Some(help) = command.get_before_help() {
        page.extend_from_slice(examples(&help.to_string()).as_bytes());
    }
    let others = names.iter().filter(|other| *other != name).map(|other| format!("{other}(1)"));
    let others: Vec<String> = others.chain(["waloy-errors(7)".into(), "waloy-format(5)".into()]).collect();
    page.extend_from_slice(reference::sections(&others, name == "waloy").as_bytes());
    Ok(page)
}

/// The two lines about apostrophes stand before each section, and once is enough.
fn once(page: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(page);
    let prelude = |line: &str| line.starts_with(".ie ") || line.starts_with(".el ");
    let kept = text.lines().enumerate().filter(|(at, line)| *at < 2 || !prelude(line));
    kept.map(|(_, line)| format!("{line}\n")).collect::<String>().into_bytes()
}

/// The examples of a help text as a section of a manual page, line by line as they are.
fn examples(help: &str) -> String {
    let mut section = String::from(".SH EXAMPLES\n.nf\n");
    for line in help.lines().skip_while(|line| line.starts_with("Examples:")) {
        let line = line.replace('\\', "\\\\").replace('-', "\\-").replace('\'', "\\(aq");
        // A dot at the beginning of a line would be a request.
        section.push_str(if line.starts_with('.') { "\\&" } else { "" });
        section.push_str(&line);
        section.push('\n');
    }
    section.push_str(".fi\n");
    section
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let written = std::fs::File::create(path).and_then(|mut file| file.write_all(bytes));
    written.map_err(|error| {
        Error::new(Kind::Failure, "output.failed", format!("cannot write {}", path.display())).because(error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_shown_as_they_are() {
        assert_eq!(
            examples("Examples:\n  waloy demo -q\n.waloy 'x' \\\n"),
            ".SH EXAMPLES\n.nf\n  waloy demo \\-q\n\\&.waloy \\(aqx\\(aq \\\\\n.fi\n"
        );
    }
}
