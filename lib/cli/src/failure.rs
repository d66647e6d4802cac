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
}

impl Failure {
    /// A failure with one message.
    pub fn new(exit: Exit, message: Message) -> Self {
        Self { exit, messages: vec![message] }
    }

    /// A failure about which everything has been said.
    pub fn silent(exit: Exit) -> Self {
        Self { exit, messages: Vec::new() }
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
