//! Bytes to values and back, without I/O: log records, control blocks, lock records, the stanza grammar.
