//! What a queue manager is on disk and who may touch it: registry, settings, layout, locks, role.
