//! What a command says, and whether it arrived.

use std::fmt;
use std::io::{self, Write};

use miqm_messages::Message;
use serde::Serialize;

use crate::{Exit, Failure};

/// The two output streams of a command. Nothing else prints.
///
/// A write error does not stop the command: the first one is kept, further output of that stream is
/// dropped, and [`Ui::finish`] turns it into a failure. A reader that went away (a broken pipe) is
/// no failure: it had read enough.
pub struct Ui<'a> {
    out: Stream<'a>,
    err: Stream<'a>,
    severity_letter: bool,
    quiet: bool,
}

struct Stream<'a> {
    writer: Box<dyn Write + 'a>,
    lost: Option<io::Error>,
}

impl Stream<'_> {
    /// Writes a line at once: the next operation of the command may never come back.
    fn line(&mut self, line: fmt::Arguments<'_>) {
        if self.lost.is_none() {
            let written = writeln!(self.writer, "{line}").and_then(|()| self.writer.flush());
            self.lost = written.err();
        }
    }

    fn failure(&self) -> Option<&io::Error> {
        self.lost.as_ref().filter(|error| error.kind() != io::ErrorKind::BrokenPipe)
    }
}

impl<'a> Ui<'a> {
    /// Output to these two.
    pub fn new(out: impl Write + 'a, err: impl Write + 'a) -> Self {
        Self {
            out: Stream { writer: Box::new(out), lost: None },
            err: Stream { writer: Box::new(err), lost: None },
            severity_letter: true,
            quiet: false,
        }
    }

    /// Output to where the process was started to write to.
    pub fn standard() -> Ui<'static> {
        Ui::new(io::stdout(), io::stderr())
    }

    /// Whether ids end with the letter of their severity; they do unless told otherwise.
    pub fn set_severity_letter(&mut self, shown: bool) {
        self.severity_letter = shown;
    }

    /// Suppresses messages on standard error from here on (the option `-z`).
    pub fn set_quiet(&mut self, quiet: bool) {
        self.quiet = quiet;
    }

    /// A progress line on standard output: the sentence without its id.
    pub fn say(&mut self, message: &Message) {
        self.out.line(format_args!("{message}"));
    }

    /// A line of a report on standard output, with its id.
    pub fn report(&mut self, message: &Message) {
        let id = self.id(message);
        self.out.line(format_args!("{id}: {message}"));
    }

    /// A line of displayed data on standard output.
    pub fn line(&mut self, line: impl fmt::Display) {
        self.out.line(format_args!("{line}"));
    }

    /// A value as one JSON document on standard output.
    pub fn json(&mut self, value: &impl Serialize) {
        match serde_json::to_string_pretty(value) {
            Ok(text) => self.out.line(format_args!("{text}")),
            Err(error) => {
                self.out.lost.get_or_insert(io::Error::other(error));
            }
        }
    }

    /// An error or warning on standard error, with its id; nothing after [`Ui::set_quiet`].
    pub fn complain(&mut self, message: &Message) {
        if !self.quiet {
            let id = self.id(message);
            self.err.line(format_args!("{id}: {message}"));
        }
    }

    /// A line on standard error that is no message, such as a usage line; nothing when quiet.
    pub fn note(&mut self, line: impl fmt::Display) {
        if !self.quiet {
            self.err.line(format_args!("{line}"));
        }
    }

    /// Whether writing to standard output makes sense any more. A command that would go on for long
    /// may stop early; it need not.
    pub fn is_heard(&self) -> bool {
        self.out.lost.is_none()
    }

    fn id(&self, message: &Message) -> String {
        let entry = message.entry();
        if self.severity_letter { entry.id_text() } else { entry.id_text_short() }
    }

    /// Says what is left to say, and decides how the command ends.
    pub fn finish(mut self, result: Result<Exit, Failure>) -> Exit {
        if let Err(failure) = &result {
            for line in &failure.told {
                self.note(line);
            }
            for message in &failure.messages {
                self.complain(message);
            }
        }
        let lost = self.out.failure().or(self.err.failure()).map(ToString::to_string);
        if let Some(cause) = &lost {
            self.complain(&Message::OutputLost { cause: cause.clone() });
        }
        match result {
            // What went wrong before is the better answer.
            Err(failure) => failure.exit,
            Ok(_) if lost.is_some() => Exit::Failed,
            Ok(exit) => exit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(act: impl FnOnce(&mut Ui<'_>)) -> (String, String) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut ui = Ui::new(&mut out, &mut err);
        act(&mut ui);
        drop(ui);
        (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
    }

    #[test]
    fn progress_has_no_id_and_errors_have_one() {
        let (out, err) = lines(|ui| {
            ui.say(&Message::CannotComplete);
            ui.report(&Message::CannotComplete);
            ui.complain(&Message::CannotComplete);
            ui.set_severity_letter(false);
            ui.complain(&Message::CannotComplete);
            ui.set_quiet(true);
            ui.complain(&Message::CannotComplete);
            ui.note("Usage");
        });
        assert_eq!(
            out,
            "The operation cannot be completed.\nAMQ7018E: The operation cannot be completed.\n"
        );
        assert_eq!(
            err,
            "AMQ7018E: The operation cannot be completed.\nAMQ7018: The operation cannot be completed.\n"
        );
    }

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lost_output_is_a_failure_and_a_reader_that_left_is_not() {
        for (kind, result, exit) in [
            (io::ErrorKind::StorageFull, Ok(Exit::Done), Exit::Failed),
            (io::ErrorKind::StorageFull, Ok(Exit::StandbyStarted), Exit::Failed),
            (io::ErrorKind::StorageFull, Err(Failure::silent(Exit::Exists)), Exit::Exists),
            (io::ErrorKind::BrokenPipe, Ok(Exit::Done), Exit::Done),
            (io::ErrorKind::BrokenPipe, Ok(Exit::StandbyStarted), Exit::StandbyStarted),
        ] {
            let mut err = Vec::new();
            let mut ui = Ui::new(Broken(kind), &mut err);
            ui.line("something");
            assert!(!ui.is_heard());
            assert_eq!(ui.finish(result), exit, "{kind:?}");
            assert_eq!(err.starts_with(b"AMQ1013E: "), kind != io::ErrorKind::BrokenPipe);
        }
    }
}
