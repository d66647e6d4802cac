//! Why a command ended badly: an exit code and the lines that go with it.

use miqm_messages::Message;

use crate::Exit;

/// What a command hands back when it cannot do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How the command ends.
    pub exit: Exit,
    /// What it says on standard error, in this order; empty if it was said already.
    pub messages: Vec<Message>,
    /// What another process wants said before that, with ids.
    pub told: Vec<String>,
}

impl Failure {
    /// A failure with one message.
    pub fn new(exit: Exit, message: Message) -> Self {
        Self { exit, messages: vec![message], told: Vec::new() }
    }

    /// A failure about which everything has been said.
    pub fn silent(exit: Exit) -> Self {
        Self { exit, messages: Vec::new(), told: Vec::new() }
    }

    /// A failure of another process, which says so in lines with ids.
    pub fn told(exit: Exit, told: Vec<String>) -> Self {
        Self { exit, messages: Vec::new(), told }
    }

    /// The lines that it says, as [`crate::Ui`] prints them.
    pub fn lines(&self, severity_letter: bool) -> Vec<String> {
        let messages = self.messages.iter().map(|message| {
            let entry = message.entry();
            let id = if severity_letter { entry.id_text() } else { entry.id_text_short() };
            format!("{id}: {message}")
        });
        self.told.iter().cloned().chain(messages).collect()
    }

    /// With one more message after those there are.
    #[must_use]
    pub fn and(mut self, message: Message) -> Self {
        self.messages.push(message);
        self
    }

    /// With AMQ7018E as the last line, as the commands do that create, start and delete.
    #[must_use]
    pub fn cannot_complete(self) -> Self {
        self.and(Message::CannotComplete)
    }
}
