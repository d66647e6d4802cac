//! The recovery log: extents, append, group force, checkpoint positions, replay that only reads.
