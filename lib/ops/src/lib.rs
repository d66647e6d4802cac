//! The use cases behind the commands: data in, data out.
