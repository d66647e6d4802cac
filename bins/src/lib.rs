//! The commands, and the table of them.
//!
//! Each module is one command: its arguments, how it can end, its words. What a command *does* is in
//! `miqm-ops`. The table serves the multi-call binary, manual pages, completions and tests.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use miqm_cli::{Definition, Exit, Failure, Message, Ui};

/// Declares the modules of the commands and the table [`all`], in alphabetic order.
macro_rules! commands {
    ($( $module:ident :: $tool:ident, )*) => {
        $( pub mod $module; )*

        /// Every command, in alphabetic order.
        pub fn all() -> &'static [Definition] {
            const ALL: &[Definition] = &[$( Definition::of::<$module::$tool>(), )*];
            ALL
        }
    };
}

commands! {
    addmqinf::Addmqinf,
    amqmfsck::Amqmfsck,
    crtmqm::Crtmqm,
    dltmqm::Dltmqm,
    dmpmqlog::Dmpmqlog,
    dspmq::Dspmq,
    dspmqinf::Dspmqinf,
    dspmqver::Dspmqver,
    endmqm::Endmqm,
    miqm_create::MiqmCreate,
    generator::Generator,
    miqmd::Miqmd,
    mqrc::Mqrc,
    rmvmqinf::Rmvmqinf,
    strmqm::Strmqm,
}

/// Runs the command that the program is called as, or else the one that its first argument names.
pub fn multi_call(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let mut args = args.into_iter();
    let called = args.next().unwrap_or_default();
    let called = std::path::Path::new(&called).file_name().map(OsStr::to_owned);
    let find = |name: &OsStr| all().iter().find(|command| name == command.name);
    if let Some(command) = called.as_deref().and_then(find) {
        return ExitCode::from((command.run)(args.collect()));
    }
    let first = args.next();
    if let Some(command) = first.as_deref().and_then(find) {
        return ExitCode::from((command.run)(args.collect()));
    }
    let mut ui = Ui::standard();
    let result = match first.as_deref().and_then(OsStr::to_str) {
        Some("--help" | "-?") => {
            usage(|line| ui.line(line));
            Ok(Exit::Done)
        }
        Some("--version") => {
            ui.line(concat!("miqm ", env!("CARGO_PKG_VERSION")));
            Ok(Exit::Done)
        }
        _ => {
            let message = match &first {
                None => Message::ArgumentMissing { argument: "COMMAND".into() },
                Some(name) => Message::NoSuchCommand { name: name.to_string_lossy().into_owned() },
            };
            ui.complain(&message);
            usage(|line| ui.note(line));
            Err(Failure::silent(Exit::Usage))
        }
    };
    ExitCode::from(ui.finish(result).code())
}

fn usage(mut line: impl FnMut(&str)) {
    line("Usage: miqm COMMAND [ARGUMENT]...");
    line("");
    line("The commands, each of which has a --help of its own:");
    for command in all() {
        let about = (command.command)().get_about().map(ToString::to_string).unwrap_or_default();
        line(&format!("  {:<10}  {about}", command.name));
    }
}
