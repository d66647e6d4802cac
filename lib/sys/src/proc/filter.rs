//! A program that is talked to over its standard input and output.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::Exit;
use crate::clock::{BootInstant, sleep};
use crate::error::{At, IoError, Op};

/// A started program whose standard input and output are the two directions of one socket; its standard
/// error is that of this process, and so are its terminal and its environment. Dropping this ends it.
#[derive(Debug)]
pub struct Filter {
    child: Child,
    ended: Option<Exit>,
}

impl Filter {
    /// Starts a program, which is looked for as a shell would, and gives this process's end of its socket.
    ///
    /// # Errors
    ///
    /// If there is no such program, or no process can be made.
    pub fn start(program: &OsString, args: &[OsString]) -> Result<(Self, UnixStream), IoError> {
        let name = Path::new(program);
        let (ours, theirs) = UnixStream::pair().at(Op::Pipe, name)?;
        let copy: OwnedFd = theirs.try_clone().at(Op::Pipe, name)?.into();
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::from(copy))
            .stdout(Stdio::from(OwnedFd::from(theirs)))
            .spawn()
            .at(Op::Spawn, name)?;
        Ok((Self { child, ended: None }, ours))
    }

    /// How it ended, waiting for that at most `limit`; `None` if it goes on.
    ///
    /// # Errors
    ///
    /// If the kernel does not tell.
    pub fn wait(&mut self, limit: Duration) -> Result<Option<Exit>, IoError> {
        use std::os::unix::process::ExitStatusExt;
        let until = BootInstant::now().saturating_add(limit);
        while self.ended.is_none() {
            let status = self.child.try_wait().at(Op::Wait, Path::new("a program"))?;
            if let Some(status) = status {
                let code = status.code().and_then(|code| u8::try_from(code).ok());
                let signal = status.signal().unwrap_or_default();
                self.ended = Some(code.map_or(Exit::Signal(signal), Exit::Code));
            } else if until.left().is_zero() {
                break;
            } else {
                sleep(Duration::from_millis(2).min(until.left()));
            }
        }
        Ok(self.ended)
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        if matches!(self.wait(Duration::ZERO), Ok(None)) {
            // It may have ended meanwhile; a program that cannot be killed is left behind.
            self.child.kill().ok();
            self.wait(Duration::from_millis(500)).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    fn sh(script: &str) -> (Filter, UnixStream) {
        Filter::start(&"sh".into(), &["-c".into(), script.into()]).unwrap()
    }

    #[test]
    fn it_is_talked_to_and_its_end_is_seen() {
        let (mut filter, mut stream) = sh("read line; echo \"<$line>\"; exit 7");
        stream.write_all(b"hello\n").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert_eq!(said, "<hello>\n");
        assert_eq!(filter.wait(Duration::from_secs(20)).unwrap(), Some(Exit::Code(7)));
        let (mut filter, _stream) = sh("kill -9 $$");
        assert_eq!(filter.wait(Duration::from_secs(20)).unwrap(), Some(Exit::Signal(9)));
    }

    #[test]
    fn it_does_not_outlive_whoever_drops_it() {
        let (mut filter, _stream) = sh("sleep 1000");
        assert_eq!(filter.wait(Duration::from_millis(20)).unwrap(), None);
        let pid = filter.child.id();
        drop(filter);
        assert!(!super::super::alive(pid));
        assert!(Filter::start(&"/no/such/program".into(), &[]).unwrap_err().is_not_found());
    }
}
