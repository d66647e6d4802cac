//! Objects and their attributes, and their recovery from the log.
