//! A command that ends, in time, with all that it said.

use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// Runs a command to its end. If that does not come in time, it and what it has started is killed, and the
/// test fails with what it has said so far.
///
/// What it says goes to files: pipes would be held open by whatever it leaves behind.
pub(crate) fn bounded(command: &mut Command, limit: Duration) -> Output {
    let began = Instant::now();
    let mut said = [(); 2].map(|()| tempfile::tempfile().expect("a temporary file"));
    let [stdout, stderr] = said.each_ref().map(|file| file.try_clone().expect("a descriptor"));
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
    let mut child = command.spawn().expect("the command can be run");
    let status = loop {
        if let Some(status) = child.try_wait().expect("it is a child") {
            break Some(status);
        }
        if began.elapsed() > limit {
            let group = i32::try_from(child.id()).expect("a process id");
            // It may have ended just now.
            killpg(Pid::from_raw(group), Signal::SIGKILL).ok();
            child.wait().expect("it is a child");
            break None;
        }
        thread::sleep(Duration::from_millis(3));
    };
    let [stdout, stderr] = said.each_mut().map(content);
    let Some(status) = status else {
        let said = [stdout, stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        panic!("{command:?} has not ended in {} s\n{}{}", limit.as_secs(), said[0], said[1]);
    };
    Output { status, stdout, stderr }
}

fn content(file: &mut File) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).expect("a temporary file");
    bytes
}
