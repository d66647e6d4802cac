//! The default objects that are no queues.

use super::{Definition, plain, with};
use crate::kind::Kind;

pub(super) const CHANNELS: &[Definition] = &[
    with(Kind::Rcvr, "SYSTEM.AUTO.RECEIVER", &[("DESCR", "Auto-defined by")]),
    with(Kind::Svrconn, "SYSTEM.AUTO.SVRCONN", &[("DESCR", "Auto-defined by")]),
    plain(Kind::Clntconn, "SYSTEM.DEF.CLNTCONN"),
    plain(Kind::Clusrcvr, "SYSTEM.DEF.CLUSRCVR"),
    plain(Kind::Clussdr, "SYSTEM.DEF.CLUSSDR"),
    plain(Kind::Rcvr, "SYSTEM.DEF.RECEIVER"),
    plain(Kind::Rqstr, "SYSTEM.DEF.REQUESTER"),
    plain(Kind::Sdr, "SYSTEM.DEF.SENDER"),
    plain(Kind::Svr, "SYSTEM.DEF.SERVER"),
    plain(Kind::Svrconn, "SYSTEM.DEF.SVRCONN"),
];

pub(super) const OTHERS: &[Definition] = &[
    plain(Kind::Listener, "SYSTEM.DEFAULT.LISTENER.TCP"),
    plain(Kind::Service, "SYSTEM.DEFAULT.SERVICE"),
    plain(Kind::Process, "SYSTEM.DEFAULT.PROCESS"),
    plain(Kind::Namelist, "SYSTEM.DEFAULT.NAMELIST"),
    with(
        Kind::Namelist,
        "SYSTEM.QPUBSUB.QUEUE.NAMELIST",
        &[("NAMES", "SYSTEM.BROKER.DEFAULT.STREAM,SYSTEM.BROKER.ADMIN.STREAM")],
    ),
    with(
        Kind::Namelist,
        "SYSTEM.QPUBSUB.SUBPOINT.NAMELIST",
        &[("NAMES", "SYSTEM.BROKER.DEFAULT.SUBPOINT")],
    ),
    with(Kind::Topic, "SYSTEM.ADMIN.TOPIC", &[("TOPICSTR", "$SYS/MQ")]),
    // The root of the topic tree: it has no parent to take anything from.
    with(
        Kind::Topic,
        "SYSTEM.BASE.TOPIC",
        &[
            ("COMMINFO", "SYSTEM.DEFAULT.COMMINFO.MULTICAST"),
            ("DEFPRESP", "SYNC"),
            ("DEFPRTY", "0"),
            ("DEFPSIST", "NO"),
            ("DURSUB", "YES"),
            ("MCAST", "DISABLED"),
            ("MDURMDL", "SYSTEM.DURABLE.MODEL.QUEUE"),
            ("MNDURMDL", "SYSTEM.NDURABLE.MODEL.QUEUE"),
            ("NPMSGDLV", "ALLAVAIL"),
            ("PMSGDLV", "ALLDUR"),
            ("PUB", "ENABLED"),
            ("PUBSCOPE", "ALL"),
            ("SUB", "ENABLED"),
            ("SUBSCOPE", "ALL"),
            ("USEDLQ", "YES"),
        ],
    ),
    with(Kind::Topic, "SYSTEM.BROKER.ADMIN.STREAM", &[("TOPICSTR", "SYSTEM.BROKER.ADMIN.STREAM")]),
    with(
        Kind::Topic,
        "SYSTEM.BROKER.DEFAULT.STREAM",
        &[("TOPICSTR", "SYSTEM.BROKER.DEFAULT.STREAM")],
    ),
    with(
        Kind::Topic,
        "SYSTEM.BROKER.DEFAULT.SUBPOINT",
        &[("TOPICSTR", "SYSTEM.BROKER.DEFAULT.SUBPOINT")],
    ),
    plain(Kind::Topic, "SYSTEM.DEFAULT.TOPIC"),
    plain(Kind::Sub, "SYSTEM.DEFAULT.SUB"),
    with(Kind::Comminfo, "SYSTEM.DEFAULT.COMMINFO.MULTICAST", &[("GRPADDR", "239.0.0.0")]),
    plain(Kind::AuthCrlLdap, "SYSTEM.DEFAULT.AUTHINFO.CRLLDAP"),
    plain(Kind::AuthOcsp, "SYSTEM.DEFAULT.AUTHINFO.OCSP"),
    plain(Kind::AuthIdpwOs, "SYSTEM.DEFAULT.AUTHINFO.IDPWOS"),
    plain(Kind::AuthIdpwLdap, "SYSTEM.DEFAULT.AUTHINFO.IDPWLDAP"),
    // Nobody who administers comes in over a channel, and nobody at all over a default one,
    // except by the channel made for administration.
    with(Kind::ChlBlockUser, "*", &[("USERLIST", "*MQADMIN")]),
    with(Kind::ChlAddressMap, "SYSTEM.*", &[("ADDRESS", "*"), ("USERSRC", "NOACCESS")]),
    with(Kind::ChlAddressMap, "SYSTEM.ADMIN.SVRCONN", &[("ADDRESS", "*"), ("USERSRC", "CHANNEL")]),
];
