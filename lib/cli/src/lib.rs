//! What all commands share: arguments, output, exit codes, errors to messages.
