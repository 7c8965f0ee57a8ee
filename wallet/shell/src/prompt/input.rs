//! Where the shell's lines come from: a terminal with editing, history and completion, or a pipe.

use std::io::{self, IsTerminal};
use std::path::PathBuf;

use rustyline::completion::Completer;
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, Editor, ExternalPrinter, Helper};
use show::streams::note;
use wallet::session::Session;

use crate::commands::CommandError;

use super::COMMANDS;

/// Lines of history that are kept.
const HISTORY_MAX: usize = 1000;

/// What came of asking.
#[derive(Debug)]
pub(super) enum Answer {
    Line(String),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the end of the pipe.
    End,
}

/// Prints a line above the one that is being typed.
pub(super) type Print = Box<dyn FnMut(String) + Send>;

pub(super) enum Input {
    Terminal { editor: Box<Editor<Completion, FileHistory>>, typed_lines: PathBuf },
    Piped(Box<dyn Iterator<Item = io::Result<String>>>),
}

impl Input {
    /// Whether somebody sits there.
    pub fn is_terminal() -> bool {
        io::stdin().is_terminal() && io::stdout().is_terminal()
    }

    /// Whether a line that is asked for is typed after the question, and not before it.
    pub fn can_answer(&self) -> bool {
        matches!(self, Self::Terminal { .. })
    }

    pub fn terminal(session: &Session) -> Result<Self, CommandError> {
        let config = Config::builder().auto_add_history(false).max_history_size(HISTORY_MAX);
        let config = config.map_err(failed)?.build();
        let mut editor = Editor::with_config(config).map_err(failed)?;
        let names = session.contacts().all().map(|contact| contact.name.clone()).collect();
        editor.set_helper(Some(Completion { names }));
        let typed_lines = session.typed_lines();
        // There is none at the first time.
        let _ = editor.load_history(&typed_lines);
        Ok(Self::Terminal { editor: Box::new(editor), typed_lines })
    }

    pub fn piped() -> Self {
        Self::Piped(Box::new(io::stdin().lines()))
    }

    /// A line with a command; it can be recalled later. What begins with no command cannot: it may
    /// be a secret that went into the wrong window.
    pub fn ask_command(&mut self, prompt: &str) -> Result<Answer, CommandError> {
        let answer = self.ask(prompt)?;
        if let (Self::Terminal { editor, .. }, Answer::Line(line)) = (&mut *self, &answer)
            && line.split_whitespace().next().is_some_and(|first| COMMANDS.contains(&first))
        {
            // A line that cannot be recalled is no reason to stop.
            let _ = editor.add_history_entry(line.as_str());
        }
        Ok(answer)
    }

    /// A line that is the answer to a question.
    pub fn ask(&mut self, prompt: &str) -> Result<Answer, CommandError> {
        match self {
            Self::Terminal { editor, .. } => match editor.readline(prompt) {
                Ok(line) => Ok(Answer::Line(line)),
                Err(ReadlineError::Interrupted) => Ok(Answer::Interrupted),
                Err(ReadlineError::Eof) => Ok(Answer::End),
                Err(error) => Err(failed(error)),
            },
            Self::Piped(lines) => match lines.next() {
                Some(line) => Ok(Answer::Line(line?)),
                None => Ok(Answer::End),
            },
        }
    }

    /// How to print while a line is being typed.
    pub fn printer(&mut self) -> Result<Print, CommandError> {
        match self {
            Self::Terminal { editor, .. } => {
                let mut printer = editor.create_external_printer().map_err(failed)?;
                Ok(Box::new(move |line| {
                    // A terminal that is gone ends the shell by itself.
                    let _ = printer.print(format!("{line}\n"));
                }))
            }
            Self::Piped(_) => Ok(Box::new(|line| note(&line))),
        }
    }

    /// Keeps what was typed for the next time.
    pub fn keep_history(&mut self) {
        if let Self::Terminal { editor, typed_lines } = self
            && let Err(error) = editor.save_history(typed_lines)
        {
            note(&format!("what was typed is not kept: {error}"));
        }
    }
}

fn failed(error: ReadlineError) -> CommandError {
    CommandError::Terminal(io::Error::other(error))
}

/// Completes commands at the beginning of a line and names behind it.
pub(super) struct Completion {
    pub names: Vec<String>,
}

impl Completer for Completion {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let typed = line.get(..position).unwrap_or(line);
        let start = typed.rfind(' ').map_or(0, |space| space + 1);
        let begun = &typed[start..];
        let is_first = typed[..start].trim().is_empty();
        let commands = COMMANDS.iter().map(|command| (*command).to_owned());
        let words: Vec<String> = if is_first { commands.collect() } else { self.names.clone() };
        let fits = |word: &String| {
            word.get(..begun.len()).is_some_and(|start| start.eq_ignore_ascii_case(begun))
        };
        Ok((start, words.into_iter().filter(fits).collect()))
    }
}

impl Hinter for Completion {
    type Hint = String;
}

impl Highlighter for Completion {}

impl Validator for Completion {}

impl Helper for Completion {}
