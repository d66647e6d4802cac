//! The instance process: role driver, hold guard, control socket, log output.
