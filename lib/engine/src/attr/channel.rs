//! The attributes of channels.

use super::words::{LARGE, MESSAGE_BYTES_MAX, NO_YES, PROPCTL, QMGR_MONITORING, TRANSPORT};
use super::{Attr, Kind, KindSet, Shape, attr, name, number, text, texts, words};

const SENDS: KindSet = KindSet::of(&[Kind::Sdr, Kind::Svr]);
const RECEIVES: KindSet = KindSet::of(&[Kind::Rcvr, Kind::Rqstr]);
const REQUESTS: KindSet = KindSet::of(&[Kind::Rqstr]);
const CLUSRCVR: KindSet = KindSet::of(&[Kind::Clusrcvr]);
const CLUSSDR: KindSet = KindSet::of(&[Kind::Clussdr]);
const CLUSTER: KindSet = CLUSRCVR.and(CLUSSDR);
const SVRCONN: KindSet = KindSet::of(&[Kind::Svrconn]);
const CLNTCONN: KindSet = KindSet::of(&[Kind::Clntconn]);
const CLIENT: KindSet = SVRCONN.and(CLNTCONN);
/// Channels between queue managers.
const MESSAGES: KindSet = SENDS.and(RECEIVES).and(CLUSTER);
/// Channels with a sending end here; the cluster receiver holds it for its partners.
const BATCHES: KindSet = SENDS.and(CLUSTER);
const ACCEPTS: KindSet = RECEIVES.and(CLUSRCVR);
const EVERY: KindSet = MESSAGES.and(CLIENT);
/// Channels that can call, and so have a partner's address.
const CALLS: KindSet = BATCHES.and(REQUESTS).and(CLNTCONN);
/// Channels of the queue manager, not of its clients.
const SERVED: KindSet = MESSAGES.and(SVRCONN);
/// Whose certificate is asked for by the accepting end.
const CHECKED: KindSet =
    KindSet::of(&[Kind::Svr, Kind::Rcvr, Kind::Rqstr, Kind::Clusrcvr, Kind::Svrconn]);

pub(super) const ATTRS: &[Attr] = &[
    words("AFFINITY", 1621, CLNTCONN, &[("NONE", 0), ("PREFERRED", 1)]).is(1),
    number("BATCHHB", 1567, BATCHES, 0, 999_999),
    number("BATCHINT", 1564, BATCHES, 0, LARGE),
    number("BATCHLIM", 1624, BATCHES, 0, 999_999).is(5000),
    number("BATCHSZ", 1502, MESSAGES, 1, 9999).is(50),
    text("CERTLABL", 2121, SENDS.and(ACCEPTS).and(CLIENT), 64),
    number("CLNTWGHT", 1620, CLNTCONN, 0, 99),
    name("CLUSNL", 2030, CLUSTER),
    name("CLUSTER", 2029, CLUSTER),
    number("CLWLPRTY", 1578, CLUSTER, 0, 9),
    number("CLWLRANK", 1577, CLUSTER, 0, 9),
    number("CLWLWGHT", 1579, CLUSTER, 1, 99).is(50),
    attr("COMPHDR", 1575, EVERY, Shape::WordList(&[("NONE", 0), ("SYSTEM", 8)])).is_list(&[0]),
    attr("COMPMSG", 1576, EVERY, Shape::WordList(COMPRESSION)).is_list(&[0]),
    text("CONNAME", 3506, CALLS, 264),
    words("CONVERT", 1515, BATCHES, NO_YES),
    words("DEFRECON", 1640, CLNTCONN, &[("NO", 0), ("YES", 1), ("QMGR", 2), ("DISABLED", 3)]),
    text("DESCR", 3502, EVERY, 64),
    number("DISCINT", 1503, BATCHES, 0, 999_999).is(6000),
    number("DISCINT", 1503, SVRCONN, 0, 999_999),
    number("HBINT", 1563, EVERY, 0, 999_999).is(300),
    number("KAINT", 1566, EVERY, 0, 99_999).or(&[("AUTO", -1)]).is(-1),
    text("LOCLADDR", 3520, CALLS, 48),
    number("LONGRTY", 1507, BATCHES, 0, LARGE).is(LARGE),
    number("LONGTMR", 1506, BATCHES, 0, LARGE).is(1200),
    number("MAXINST", 1618, SVRCONN, 0, LARGE).is(LARGE),
    number("MAXINSTC", 1619, SVRCONN, 0, LARGE).is(LARGE),
    number("MAXMSGL", 1510, EVERY, 0, MESSAGE_BYTES_MAX).is(4_194_304),
    text("MCANAME", 3507, BATCHES.and(REQUESTS), 20),
    words("MCATYPE", 1517, SENDS.and(REQUESTS), MCA).is(1),
    words("MCATYPE", 1517, CLUSTER, MCA).is(2),
    text("MCAUSER", 3527, SERVED, 64),
    text("MODENAME", 3503, CALLS, 8),
    words("MONCHL", 122, SERVED, QMGR_MONITORING).is(-3),
    text("MRDATA", 3535, ACCEPTS, 32),
    text("MREXIT", 3534, ACCEPTS, 128),
    number("MRRTY", 1544, ACCEPTS, 0, LARGE).is(10),
    number("MRTMR", 1545, ACCEPTS, 0, LARGE).is(1000),
    texts("MSGDATA", 3514, MESSAGES, EXITS_MAX, 32),
    texts("MSGEXIT", 3509, MESSAGES, EXITS_MAX, 128),
    number("NETPRTY", 1565, CLUSRCVR, 0, 9),
    words("NPMSPEED", 1562, MESSAGES, &[("NORMAL", 1), ("FAST", 2)]).is(2),
    text("PASSWORD", 3518, SENDS.and(REQUESTS).and(CLUSSDR).and(CLNTCONN), 12),
    words("PROPCTL", 190, BATCHES, PROPCTL),
    words("PUTAUT", 1508, ACCEPTS, &[("DEF", 1), ("CTX", 2)]).is(1),
    name("QMNAME", 2015, CLNTCONN),
    texts("RCVDATA", 3516, EVERY, EXITS_MAX, 32),
    texts("RCVEXIT", 3511, EVERY, EXITS_MAX, 128),
    text("SCYDATA", 3513, EVERY, 32),
    text("SCYEXIT", 3508, EVERY, 128),
    texts("SENDDATA", 3515, EVERY, EXITS_MAX, 32),
    texts("SENDEXIT", 3510, EVERY, EXITS_MAX, 128),
    number("SEQWRAP", 1509, MESSAGES, 100, LARGE).is(LARGE),
    number("SHARECNV", 1615, CLIENT, 0, LARGE).is(10),
    number("SHORTRTY", 1505, BATCHES, 0, LARGE).is(10),
    number("SHORTTMR", 1504, BATCHES, 0, LARGE).is(60),
    words("SSLCAUTH", 1568, CHECKED, &[("REQUIRED", 0), ("OPTIONAL", 1)]),
    text("SSLCIPH", 3544, EVERY, 64),
    text("SSLPEER", 3545, EVERY, 1024),
    words("STATCHL", 129, MESSAGES, QMGR_MONITORING).is(-3),
    text("TPNAME", 3504, CALLS, 64),
    words("TRPTYPE", 1501, EVERY, TRANSPORT).is(2),
    words("USEDLQ", 234, MESSAGES, &[("NO", 1), ("YES", 2)]).is(2),
    text("USERID", 3517, SENDS.and(REQUESTS).and(CLUSSDR).and(CLNTCONN), 12),
    name("XMITQ", 3505, SENDS),
];

/// The most exits in a list.
const EXITS_MAX: u16 = 8;
const MCA: &[super::Word] = &[("PROCESS", 1), ("THREAD", 2)];
const COMPRESSION: &[super::Word] =
    &[("NONE", 0), ("RLE", 1), ("ZLIBFAST", 2), ("ZLIBHIGH", 4), ("ANY", 0x0fff_ffff)];
