//! The default queues.

use super::{Definition, plain, with};
use crate::kind::Kind::{Qalias, Qlocal, Qmodel, Qremote};

/// Queues that take reports and are read by tools: bounded, so that nobody has to read them.
const EVENTS: &[(&str, &str)] = &[("MAXDEPTH", "3000")];
/// Queues in which the queue manager keeps its own state.
const STATE: &[(&str, &str)] = &[("DEFPSIST", "YES"), ("MAXDEPTH", "999999999")];
/// The same for state with one reader.
const PRIVATE: &[(&str, &str)] =
    &[("DEFPSIST", "YES"), ("MAXDEPTH", "999999999"), ("DEFSOPT", "EXCL"), ("NOSHARE", "NOSHARE")];
const TRANSMISSION: &[(&str, &str)] =
    &[("USAGE", "XMITQ"), ("DEFPSIST", "YES"), ("MAXDEPTH", "999999999"), ("MAXMSGL", "104857600")];

pub(super) const QUEUES: &[Definition] = &[
    with(Qlocal, "SYSTEM.ADMIN.ACCOUNTING.QUEUE", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.ACTIVITY.QUEUE", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.CHANNEL.EVENT", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.COMMAND.EVENT", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.COMMAND.QUEUE", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.CONFIG.EVENT", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.LOGGER.EVENT", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.PERFM.EVENT", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.PUBSUB.EVENT", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.QMGR.EVENT", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.STATISTICS.QUEUE", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.TRACE.ACTIVITY.QUEUE", EVENTS),
    with(Qlocal, "SYSTEM.ADMIN.TRACE.ROUTE.QUEUE", EVENTS),
    with(Qlocal, "SYSTEM.AUTH.DATA.QUEUE", PRIVATE),
    plain(Qlocal, "SYSTEM.BROKER.ADMIN.STREAM"),
    plain(Qlocal, "SYSTEM.BROKER.CONTROL.QUEUE"),
    plain(Qlocal, "SYSTEM.BROKER.DEFAULT.STREAM"),
    plain(Qlocal, "SYSTEM.BROKER.INTER.BROKER.COMMUNICATIONS"),
    plain(Qlocal, "SYSTEM.CHANNEL.INITQ"),
    with(Qlocal, "SYSTEM.CHANNEL.SYNCQ", STATE),
    with(Qlocal, "SYSTEM.CHLAUTH.DATA.QUEUE", PRIVATE),
    plain(Qlocal, "SYSTEM.CICS.INITIATION.QUEUE"),
    with(
        Qlocal,
        "SYSTEM.CLUSTER.COMMAND.QUEUE",
        &[("DEFPSIST", "YES"), ("MAXDEPTH", "200000"), ("DEFSOPT", "EXCL")],
    ),
    with(
        Qlocal,
        "SYSTEM.CLUSTER.HISTORY.QUEUE",
        &[("DEFPSIST", "YES"), ("MAXDEPTH", "10"), ("MAXMSGL", "104857600")],
    ),
    with(
        Qlocal,
        "SYSTEM.CLUSTER.REPOSITORY.QUEUE",
        &[("DEFPSIST", "YES"), ("MAXDEPTH", "200000"), ("DEFSOPT", "EXCL")],
    ),
    with(Qlocal, "SYSTEM.CLUSTER.TRANSMIT.QUEUE", TRANSMISSION),
    with(Qlocal, "SYSTEM.DDELAY.LOCAL.QUEUE", STATE),
    with(Qlocal, "SYSTEM.DEAD.LETTER.QUEUE", &[("MAXDEPTH", "999999999")]),
    plain(Qlocal, "SYSTEM.DEFAULT.INITIATION.QUEUE"),
    plain(Qlocal, "SYSTEM.DEFAULT.LOCAL.QUEUE"),
    with(Qlocal, "SYSTEM.DOTNET.XARECOVERY.QUEUE", STATE),
    with(Qlocal, "SYSTEM.DURABLE.SUBSCRIBER.QUEUE", STATE),
    with(Qlocal, "SYSTEM.HIERARCHY.STATE", STATE),
    plain(Qlocal, "SYSTEM.INTER.QMGR.CONTROL"),
    plain(Qlocal, "SYSTEM.INTER.QMGR.FANREQ"),
    plain(Qlocal, "SYSTEM.INTER.QMGR.PUBS"),
    plain(Qlocal, "SYSTEM.INTERNAL.REPLY.QUEUE"),
    with(Qlocal, "SYSTEM.PENDING.DATA.QUEUE", STATE),
    with(Qlocal, "SYSTEM.PROTECTION.ERROR.QUEUE", &[("MAXDEPTH", "999999999")]),
    with(Qlocal, "SYSTEM.PROTECTION.POLICY.QUEUE", STATE),
    plain(Qlocal, "SYSTEM.REST.REPLY.QUEUE"),
    with(Qlocal, "SYSTEM.RETAINED.PUB.QUEUE", STATE),
    plain(Qlocal, "SYSTEM.SELECTION.EVALUATION.QUEUE"),
    plain(Qlocal, "SYSTEM.SELECTION.VALIDATION.QUEUE"),
    plain(Qalias, "SYSTEM.DEFAULT.ALIAS.QUEUE"),
    plain(Qremote, "SYSTEM.DEFAULT.REMOTE.QUEUE"),
    plain(Qmodel, "SYSTEM.BROKER.MODEL.STREAM"),
    with(
        Qmodel,
        "SYSTEM.CLUSTER.TRANSMIT.MODEL.QUEUE",
        &[
            ("DEFTYPE", "PERMDYN"),
            ("USAGE", "XMITQ"),
            ("DEFPSIST", "YES"),
            ("SHARE", "SHARE"),
            ("MAXDEPTH", "999999999"),
            ("MAXMSGL", "104857600"),
        ],
    ),
    plain(Qmodel, "SYSTEM.DEFAULT.MODEL.QUEUE"),
    with(
        Qmodel,
        "SYSTEM.DURABLE.MODEL.QUEUE",
        &[
            ("DEFTYPE", "PERMDYN"),
            ("DEFSOPT", "SHARED"),
            ("SHARE", "SHARE"),
            ("MAXDEPTH", "999999999"),
        ],
    ),
    with(Qmodel, "SYSTEM.MQEXPLORER.REPLY.MODEL", &[("DEFTYPE", "TEMPDYN")]),
    with(Qmodel, "SYSTEM.MQSC.REPLY.QUEUE", &[("DEFTYPE", "TEMPDYN")]),
    with(
        Qmodel,
        "SYSTEM.NDURABLE.MODEL.QUEUE",
        &[("DEFSOPT", "SHARED"), ("SHARE", "SHARE"), ("MAXDEPTH", "999999999")],
    ),
];
