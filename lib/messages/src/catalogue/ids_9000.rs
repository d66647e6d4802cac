//! AMQ9000 to AMQ9999: ids that the interface fixes.

macro_rules! ids_9000 {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

9224 Error ChannelSetting { file: String, line: u64, attribute: String, value: String, expected: String }
    "The queue manager cannot start: line {line} of '{file}' sets '{attribute}' to '{value}', which is not {expected}."
    explain "The stanzas Channels and SSL are checked before anything is started. The queue manager was not started."
    respond "Correct the line, and start the queue manager again." ;

    } };
}
