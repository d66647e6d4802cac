use super::*;

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(20);

fn raw(bytes: &[u8]) -> Port {
    let (mut stream, other) = UnixStream::pair().unwrap();
    stream.write_all(bytes).unwrap();
    Port::of_stream(other, 100).unwrap()
}

#[test]
fn messages_go_both_ways_and_the_end_is_seen() {
    let (mut one, mut other) = Port::pair(100).unwrap();
    assert_eq!(one.receive(SHORT).unwrap(), Incoming::Late);
    other.send(b"hello", LONG).unwrap();
    other.send(b"", LONG).unwrap();
    assert!(one.wait_readable(LONG).unwrap());
    assert_eq!(one.receive(LONG).unwrap(), Incoming::Message(b"hello".to_vec()));
    assert!(one.has_message().unwrap());
    assert_eq!(one.receive(LONG).unwrap(), Incoming::Message(Vec::new()));
    assert!(!one.has_message().unwrap());
    drop(other);
    assert_eq!(one.receive(LONG).unwrap(), Incoming::End);
    assert!(one.send(&[1; 10_000], SHORT).is_err());
}

#[test]
fn what_is_no_message_takes_no_memory_and_no_time() {
    assert!(raw(&[101, 0, 0, 0]).receive(LONG).is_err());
    assert!(raw(&[255; 8]).receive(LONG).is_err());
    // A part is waited for, and is an error at the end.
    assert!(raw(&[5, 0, 0, 0, 1, 2]).receive(LONG).is_err());
    assert!(raw(&[5, 0]).receive(LONG).is_err());
    let (mut stream, other) = UnixStream::pair().unwrap();
    let mut port = Port::of_stream(other, 100).unwrap();
    stream.write_all(&[5, 0, 0, 0, 1]).unwrap();
    assert_eq!(port.receive(SHORT).unwrap(), Incoming::Late);
    stream.write_all(&[2, 3, 4, 5]).unwrap();
    assert_eq!(port.receive(LONG).unwrap(), Incoming::Message(vec![1, 2, 3, 4, 5]));
}

#[test]
fn two_that_send_much_at_the_same_time_do_not_wait_for_each_other() {
    let (mut one, mut other) = Port::pair(4 << 20).unwrap();
    let much = vec![7; 3 << 20];
    let sent = much.clone();
    let thread = std::thread::spawn(move || {
        other.send(&sent, LONG).unwrap();
        other.receive(LONG).unwrap()
    });
    one.send(&much, LONG).unwrap();
    assert_eq!(one.receive(LONG).unwrap(), Incoming::Message(much.clone()));
    assert_eq!(thread.join().unwrap(), Incoming::Message(much));
}

#[test]
fn a_reader_that_does_not_read_is_given_up() {
    let (mut one, _other) = Port::pair(8 << 20).unwrap();
    let error = one.send(&vec![0; 4 << 20], SHORT).unwrap_err();
    assert_eq!(error.errno(), Some(110));
}

#[test]
fn what_comes_before_the_mark_is_skipped() {
    let mut port = raw(b"Welcome!\nGO\x02\0\0\0hi");
    assert!(port.skip_past(b"\nGO", 100, LONG).unwrap());
    assert_eq!(port.receive(LONG).unwrap(), Incoming::Message(b"hi".to_vec()));
    assert!(!raw(b"Welcome").skip_past(b"GO", 100, LONG).unwrap());
    assert!(raw(&[b'x'; 500]).skip_past(b"GO", 100, LONG).is_err());
    let (_stream, other) = UnixStream::pair().unwrap();
    let mut port = Port::of_stream(other, 100).unwrap();
    assert!(!port.skip_past(b"GO", 100, SHORT).unwrap());
}
