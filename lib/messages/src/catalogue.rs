//! The catalogue: one enum over all the files in `catalogue/`.
//!
//! Each file there is a block of numbers and the macro of the same name. An entry is
//!
//! ```text
//! 8118 Error NoSuchQmgr { qmgr: QmgrName }
//!     "Queue manager '{qmgr}' does not exist."
//!     explain "..."
//!     respond "..." ;
//! ```
//!
//! Inserts are anything that is `Display + Clone + Debug + Eq`; a message without inserts has no
//! braces. An insert that the text does not use, or the reverse, does not compile. To keep merges
//! quiet, entries stand in ascending order with one empty line between them.

use std::fmt::{self, Write};

#[allow(unused_imports, reason = "what inserts may be, whether or not one is at present")]
use miqm_types::{ChannelName, Epoch, HostName, Lsn, ObjectName, QmgrId, QmgrName};

use crate::{Entry, Severity};

/// Passes the entries collected so far on to the next block, and in the end to `define!`.
macro_rules! then {
    (() $($entries:tt)*) => { define! { $($entries)* } };
    (($next:ident $($rest:ident)*) $($entries:tt)*) => { $next! { ($($rest)*) $($entries)* } };
}

macro_rules! define {
    ($(
        $number:literal $severity:ident $name:ident $({ $($insert:ident : $type:ty),* $(,)? })?
        $text:literal explain $explanation:literal respond $response:literal ;
    )*) => {
        /// A message with its inserts. `Display` is the sentence, without the id.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Message {
            $(
                #[doc = concat!("```text\nAMQ", $number, ": ", $text, "\n```")]
                $name $({ $(
                    #[doc = "An insert."]
                    $insert: $type
                ),* })?,
            )*
        }

        /// Every message there is, in ascending order of its number.
        pub static CATALOGUE: &[Entry] = &[$(
            Entry {
                number: $number,
                severity: Severity::$severity,
                text: $text,
                explanation: $explanation,
                response: $response,
            },
        )*];

        impl Message {
            /// What the catalogue has to say about this message.
            pub fn entry(&self) -> &'static Entry {
                match self {$(
                    Self::$name { .. } => &Entry {
                        number: $number,
                        severity: Severity::$severity,
                        text: $text,
                        explanation: $explanation,
                        response: $response,
                    },
                )*}
            }

            /// The inserts by name, in the order of the catalogue, as they stand in the sentence.
            pub fn inserts(&self) -> Vec<(&'static str, String)> {
                match self {$(
                    Self::$name $({ $($insert),* })? => {
                        vec![$($((stringify!($insert), clean($insert)),)*)?]
                    }
                )*}
            }

            #[deny(unused_variables)]
            fn write(&self, f: &mut impl Write) -> fmt::Result {
                match self {$(
                    Self::$name $({ $($insert),* })? => write!(f, $text),
                )*}
            }
        }
    };
}

#[macro_use]
mod general;
#[macro_use]
mod registry;
#[macro_use]
mod create;
#[macro_use]
mod log;
#[macro_use]
mod instance;
#[macro_use]
mod objects;
#[macro_use]
mod control;
#[macro_use]
mod status;
#[macro_use]
mod fsck;
#[macro_use]
mod units;
#[macro_use]
mod supervision;
#[macro_use]
mod provision;
#[macro_use]
mod ids_5000;
#[macro_use]
mod ids_7000;
#[macro_use]
mod ids_8000;
#[macro_use]
mod ids_9000;

then! {
    (general registry create log instance objects control status fsck units supervision provision
     ids_5000 ids_7000 ids_8000 ids_9000)
}

impl Message {
    /// The number, which is the id without its letters.
    pub fn id(&self) -> u16 {
        self.entry().number
    }

    /// The id as people write it: `AMQ8118E`.
    pub fn id_text(&self) -> String {
        self.entry().id_text()
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.entry().severity
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(&mut Clean(f))
    }
}

/// An insert as it stands in a sentence.
fn clean(insert: &impl fmt::Display) -> String {
    let mut text = String::new();
    write!(Clean(&mut text), "{insert}").expect("a string takes all");
    text
}

/// Lets nothing through that could start a new line or steer a terminal: inserts can be file names
/// and other text that somebody else chose.
struct Clean<W>(W);

impl<W: Write> Write for Clean<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(char::is_control) {
            let (clean, dirty) = rest.split_at(at);
            self.0.write_str(clean)?;
            let mut chars = dirty.chars();
            if let Some(control) = chars.next() {
                write!(self.0, "{}", control.escape_default())?;
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}
