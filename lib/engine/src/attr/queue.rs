//! The attributes of queues.

use super::words::{
    DISABLED_ENABLED, ENABLED_DISABLED, LARGE, MESSAGE_BYTES_MAX, NO_YES, PROPCTL, QMGR_MONITORING,
    QMGR_OFF_ON,
};
use super::{Access, Attr, Kind, KindSet, flag, name, number, text, words};

const LOCAL: KindSet = KindSet::of(&[Kind::Qlocal]);
const MODEL: KindSet = KindSet::of(&[Kind::Qmodel]);
const ALIAS: KindSet = KindSet::of(&[Kind::Qalias]);
const REMOTE: KindSet = KindSet::of(&[Kind::Qremote]);
/// What holds messages, or will.
const HOLDS: KindSet = LOCAL.and(MODEL);
/// What a cluster can know.
const CLUSTERED: KindSet = LOCAL.and(ALIAS).and(REMOTE);
const READ: KindSet = HOLDS.and(ALIAS);
const EVERY: KindSet = READ.and(REMOTE);

pub(super) const ATTRS: &[Attr] = &[
    words("ACCTQ", 134, HOLDS, QMGR_OFF_ON).is(-3),
    name("BOQNAME", 2019, HOLDS),
    number("BOTHRESH", 22, HOLDS, 0, LARGE),
    text("CLCHNAME", 2124, HOLDS, 20),
    name("CLUSNL", 2030, CLUSTERED),
    name("CLUSTER", 2029, CLUSTERED),
    number("CLWLPRTY", 96, CLUSTERED, 0, 9),
    number("CLWLRANK", 95, CLUSTERED, 0, 9),
    words("CLWLUSEQ", 98, LOCAL, &[("QMGR", -3), ("LOCAL", 0), ("ANY", 1)]).is(-3),
    text("CRDATE", 2004, HOLDS, 12).by(Access::Fixed),
    text("CRTIME", 2005, HOLDS, 8).by(Access::Fixed),
    number("CURDEPTH", 3, LOCAL, 0, LARGE).by(Access::Live),
    text("CUSTOM", 2119, EVERY, 128),
    words("DEFBIND", 61, CLUSTERED, &[("OPEN", 0), ("NOTFIXED", 1), ("GROUP", 2)]),
    words("DEFPRESP", 184, EVERY, &[("SYNC", 1), ("ASYNC", 2)]).is(1),
    number("DEFPRTY", 6, EVERY, 0, 9),
    words("DEFPSIST", 5, EVERY, NO_YES),
    words("DEFREADA", 188, READ, &[("NO", 0), ("YES", 1), ("DISABLED", 2)]),
    words("DEFSOPT", 4, LOCAL, &[("SHARED", 2), ("EXCL", 4)]).is(2),
    words("DEFSOPT", 4, MODEL, &[("SHARED", 2), ("EXCL", 4)]).is(4),
    words(
        "DEFTYPE",
        7,
        LOCAL,
        &[("PREDEFINED", 1), ("PERMDYN", 2), ("TEMPDYN", 3), ("SHAREDYN", 4)],
    )
    .is(1)
    .by(Access::Fixed),
    words("DEFTYPE", 7, MODEL, &[("PERMDYN", 2), ("TEMPDYN", 3)]).is(3),
    text("DESCR", 2013, EVERY, 64),
    words("DISTL", 34, HOLDS, NO_YES).mqset(),
    words("GET", 9, READ, ENABLED_DISABLED).mqset(),
    flag("HARDENBO", "NOHARDENBO", 8, HOLDS).is(1),
    words("IMGRCOVQ", 272, HOLDS, &[("NO", 0), ("YES", 1), ("QMGR", 2)]).is(2).since(910),
    name("INITQ", 2008, HOLDS),
    number("IPPROCS", 17, LOCAL, 0, LARGE).by(Access::Live),
    number("MAXDEPTH", 15, HOLDS, 0, LARGE).is(5000),
    number("MAXFSIZE", 274, HOLDS, 20, 267_386_880).or(&[("DEFAULT", -1)]).is(-1).since(920),
    number("MAXMSGL", 13, HOLDS, 0, MESSAGE_BYTES_MAX).is(4_194_304),
    words("MONQ", 123, HOLDS, QMGR_MONITORING).is(-3),
    words("MSGDLVSQ", 16, HOLDS, &[("PRIORITY", 0), ("FIFO", 1)]),
    words("NPMCLASS", 78, HOLDS, &[("NORMAL", 0), ("HIGH", 10)]),
    number("OPPROCS", 18, LOCAL, 0, LARGE).by(Access::Live),
    name("PROCESS", 2012, HOLDS),
    words("PROPCTL", 190, READ, PROPCTL),
    words("PUT", 10, EVERY, ENABLED_DISABLED).mqset(),
    number("QDEPTHHI", 40, HOLDS, 0, 100).is(80),
    number("QDEPTHLO", 41, HOLDS, 0, 100).is(20),
    words("QDPHIEV", 43, HOLDS, DISABLED_ENABLED),
    words("QDPLOEV", 44, HOLDS, DISABLED_ENABLED),
    words("QDPMAXEV", 42, HOLDS, DISABLED_ENABLED).is(1),
    words("QSVCIEV", 46, HOLDS, &[("NONE", 0), ("HIGH", 1), ("OK", 2)]),
    number("QSVCINT", 54, HOLDS, 0, LARGE).is(LARGE),
    number("RETINTVL", 21, HOLDS, 0, LARGE).is(LARGE),
    name("RNAME", 2018, REMOTE),
    name("RQMNAME", 2017, REMOTE),
    words("SCOPE", 45, CLUSTERED, &[("QMGR", 1), ("CELL", 2)]).is(1),
    flag("SHARE", "NOSHARE", 23, LOCAL).is(1),
    flag("SHARE", "NOSHARE", 23, MODEL),
    words("STATQ", 128, HOLDS, QMGR_OFF_ON).is(-3),
    name("STREAMQ", 2138, HOLDS).since(930),
    words("STRMQOS", 275, HOLDS, &[("BESTEF", 0), ("MUSTDUP", 1)]).since(930),
    name("TARGET", 2002, ALIAS),
    words("TARGTYPE", 193, ALIAS, &[("QUEUE", 1), ("TOPIC", 8)]).is(1),
    text("TRIGDATA", 2023, HOLDS, 64).mqset(),
    number("TRIGDPTH", 29, HOLDS, 1, LARGE).is(1).mqset(),
    flag("TRIGGER", "NOTRIGGER", 24, HOLDS).mqset(),
    number("TRIGMPRI", 26, HOLDS, 0, 9).mqset(),
    words("TRIGTYPE", 28, HOLDS, &[("NONE", 0), ("FIRST", 1), ("EVERY", 2), ("DEPTH", 3)])
        .is(1)
        .mqset(),
    words("USAGE", 12, HOLDS, &[("NORMAL", 0), ("XMITQ", 1)]),
    name("XMITQ", 2024, REMOTE),
];
