//! The attributes of the other objects.

use super::words::{CONTROL, DISABLED_ENABLED, LARGE, NO_YES, TRANSPORT};
use super::{Access, Attr, Form, Kind, KindSet, Shape, attr, name, number, text, texts, words};

const LISTENER: KindSet = KindSet::of(&[Kind::Listener]);
const SERVICE: KindSet = KindSet::of(&[Kind::Service]);
const PROCESS: KindSet = KindSet::of(&[Kind::Process]);
const NAMELIST: KindSet = KindSet::of(&[Kind::Namelist]);
const TOPIC: KindSet = KindSet::of(&[Kind::Topic]);
const SUB: KindSet = KindSet::of(&[Kind::Sub]);
const COMMINFO: KindSet = KindSet::of(&[Kind::Comminfo]);

pub(super) const LISTENERS_AND_SERVICES: &[Attr] = &[
    words("CONTROL", 1601, LISTENER, CONTROL).is(2),
    words("TRPTYPE", 1501, LISTENER, TRANSPORT).is(2).by(Access::Define),
    number("PORT", 1574, LISTENER, 0, 65_535),
    text("IPADDR", 3552, LISTENER, 48),
    number("BACKLOG", 1602, LISTENER, 0, LARGE),
    text("DESCR", 3555, LISTENER, 64),
    words("CONTROL", 139, SERVICE, CONTROL).is(2),
    words("SERVTYPE", 121, SERVICE, &[("COMMAND", 0), ("SERVER", 1)]),
    text("STARTCMD", 2079, SERVICE, 255),
    text("STARTARG", 2080, SERVICE, 255),
    text("STOPCMD", 2081, SERVICE, 255),
    text("STOPARG", 2082, SERVICE, 255),
    text("STDOUT", 2083, SERVICE, 255),
    text("STDERR", 2084, SERVICE, 255),
    text("DESCR", 2078, SERVICE, 64),
];

pub(super) const PROCESSES_AND_NAMELISTS: &[Attr] = &[
    text("APPLICID", 2001, PROCESS, 256),
    number("APPLTYPE", 1, PROCESS, 0, LARGE)
        .or(&[
            ("CICS", 1),
            ("MVS", 2),
            ("IMS", 3),
            ("DOS", 5),
            ("UNIX", 6),
            ("OS400", 8),
            ("WINDOWS", 9),
            ("WINDOWSNT", 11),
            ("VMS", 12),
            ("NSK", 13),
        ])
        .is(6),
    text("DESCR", 2011, PROCESS, 64),
    text("ENVRDATA", 2007, PROCESS, 128),
    text("USERDATA", 2021, PROCESS, 128),
    text("DESCR", 2009, NAMELIST, 64),
    number("NAMCOUNT", 19, NAMELIST, 0, 256).by(Access::Live),
    attr(
        "NAMES",
        2020,
        NAMELIST,
        Shape::TextList { items_max: 256, max_bytes: 48, form: Form::Name },
    ),
];

/// What topics say of publishing and subscribing.
const ALLOWED: &[super::Word] = &[("ASPARENT", 0), ("DISABLED", 1), ("ENABLED", 2)];
const DELIVERY: &[super::Word] = &[("ASPARENT", 0), ("ALL", 1), ("ALLDUR", 2), ("ALLAVAIL", 3)];
const SCOPE: &[super::Word] = &[("ALL", 0), ("ASPARENT", 1), ("QMGR", 4)];

pub(super) const TOPICS: &[Attr] = &[
    words("CLROUTE", 255, TOPIC, &[("DIRECT", 0), ("TOPICHOST", 1), ("NONE", 2)]),
    name("CLUSTER", 2029, TOPIC),
    name("COMMINFO", 2110, TOPIC),
    text("CUSTOM", 2119, TOPIC, 128),
    words("DEFPRESP", 184, TOPIC, &[("ASPARENT", 0), ("SYNC", 1), ("ASYNC", 2)]),
    number("DEFPRTY", 6, TOPIC, 0, 9).or(&[("ASPARENT", -2)]).is(-2),
    words("DEFPSIST", 185, TOPIC, &[("ASPARENT", -1), ("NO", 0), ("YES", 1)]).is(-1),
    text("DESCR", 2093, TOPIC, 64),
    words("DURSUB", 175, TOPIC, &[("ASPARENT", 0), ("YES", 1), ("NO", 2)]),
    words("MCAST", 176, TOPIC, &[("ASPARENT", 0), ("ENABLED", 1), ("DISABLED", 2), ("ONLY", 3)]),
    name("MDURMDL", 2096, TOPIC),
    name("MNDURMDL", 2097, TOPIC),
    words("NPMSGDLV", 196, TOPIC, DELIVERY),
    words("PMSGDLV", 195, TOPIC, DELIVERY),
    words("PROXYSUB", 199, TOPIC, &[("FORCE", 1), ("FIRSTUSE", 2)]).is(2),
    words("PUB", 181, TOPIC, ALLOWED),
    words("PUBSCOPE", 219, TOPIC, SCOPE).is(1),
    words("SUB", 182, TOPIC, ALLOWED),
    words("SUBSCOPE", 218, TOPIC, SCOPE).is(1),
    text("TOPICSTR", 2094, TOPIC, 10_240).by(Access::Define),
    words("TYPE", 208, TOPIC, &[("LOCAL", 0), ("CLUSTER", 1)]).by(Access::Fixed),
    words("USEDLQ", 234, TOPIC, &[("ASPARENT", 0), ("NO", 1), ("YES", 2)]),
    words("WILDCARD", 216, TOPIC, &[("BLOCK", 1), ("PASSTHRU", 2)]).is(2),
    name("DEST", 3154, SUB),
    words("DESTCLAS", 1273, SUB, &[("MANAGED", 1), ("PROVIDED", 2)]).is(2).by(Access::Define),
    name("DESTQMGR", 3153, SUB),
    number("EXPIRY", 1244, SUB, 1, LARGE).or(&[("UNLIMITED", -1)]).is(-1),
    words("PSPROP", 1271, SUB, &[("NONE", 0), ("COMPAT", 1), ("RFH2", 2), ("MSGPROP", 3)]).is(3),
    text("PUBAPPID", 3135, SUB, 32),
    number("PUBPRTY", 1283, SUB, 0, 9).or(&[("ASPUB", -3), ("ASQDEF", -1)]).is(-3),
    words("REQONLY", 1280, SUB, NO_YES),
    text("SELECTOR", 3160, SUB, 10_240).by(Access::Define),
    number("SUBLEVEL", 1307, SUB, 0, 9).is(1).by(Access::Define),
    words("SUBSCOPE", 1275, SUB, &[("ALL", 0), ("QMGR", 4)]).by(Access::Define),
    text("SUBUSER", 3156, SUB, 12),
    name("TOPICOBJ", 2092, SUB).by(Access::Define),
    text("TOPICSTR", 2094, SUB, 10_240).by(Access::Define),
    text("USERDATA", 3159, SUB, 10_240),
    words("VARUSER", 1277, SUB, &[("ANY", 1), ("FIXED", 2)]).is(1),
    words("WSCHEMA", 1288, SUB, &[("CHAR", 1), ("TOPIC", 2)]).is(2).by(Access::Define),
    words("BRIDGE", 233, COMMINFO, DISABLED_ENABLED).is(1),
    number("CCSID", 2, COMMINFO, 1, 65_535).or(&[("ASPUB", -4)]).is(-4),
    words("COMMEV", 232, COMMINFO, &[("DISABLED", 0), ("ENABLED", 1), ("EXCEPTION", 2)]),
    text("DESCR", 2111, COMMINFO, 64),
    number("ENCODING", 1243, COMMINFO, 0, LARGE)
        .or(&[("ASPUB", -1), ("NORMAL", 546), ("REVERSED", 273)])
        .is(-1),
    text("GRPADDR", 3562, COMMINFO, 264),
    number("MCHBINT", 1628, COMMINFO, 0, 999_999).is(2000),
    words(
        "MCPROP",
        1626,
        COMMINFO,
        &[("COMPAT", -2), ("ALL", -1), ("NONE", 0), ("USER", 1), ("REPLY", 2)],
    )
    .is(-1),
    number("MONINT", 81, COMMINFO, 0, 999_999).is(60),
    number("MSGHIST", 1625, COMMINFO, 0, LARGE).is(100),
    words("NSUBHIST", 1627, COMMINFO, &[("NONE", 0), ("ALL", -1)]),
    number("PORT", 1522, COMMINFO, 0, 65_535).is(1414),
    words("TYPE", 223, COMMINFO, &[("MULTICAST", 1)]).is(1).by(Access::Define),
];

const CRL: KindSet = KindSet::of(&[Kind::AuthCrlLdap]);
const OCSP: KindSet = KindSet::of(&[Kind::AuthOcsp]);
const OS: KindSet = KindSet::of(&[Kind::AuthIdpwOs]);
const LDAP: KindSet = KindSet::of(&[Kind::AuthIdpwLdap]);
const CHECKS: &[super::Word] = &[("OPTIONAL", 0), ("NONE", 1), ("REQDADM", 2), ("REQUIRED", 3)];

pub(super) const AUTHINFO: &[Attr] = &[
    words("ADOPTCTX", 260, OS, NO_YES).is(1),
    words("ADOPTCTX", 260, LDAP, NO_YES).is(1),
    words("AUTHENMD", 266, OS, &[("OS", 0), ("PAM", 1)]),
    words(
        "AUTHORMD",
        263,
        LDAP,
        &[("OS", 0), ("SEARCHGRP", 1), ("SEARCHUSR", 2), ("SRCHGRPSN", 3)],
    ),
    text("BASEDNG", 2132, LDAP, 1024),
    text("BASEDNU", 2126, LDAP, 1024),
    words("CHCKCLNT", 258, OS.and(LDAP), CHECKS).is(2),
    words("CHCKLOCL", 257, OS.and(LDAP), CHECKS),
    text("CLASSGRP", 2133, LDAP, 128),
    text("CLASSUSR", 2128, LDAP, 128),
    text("CONNAME", 2053, CRL.and(LDAP), 264),
    text("DESCR", 2046, CRL.and(OCSP).and(OS).and(LDAP), 64),
    number("FAILDLAY", 259, OS.and(LDAP), 0, 60).is(1),
    text("FINDGRP", 2135, LDAP, 128),
    text("GRPFIELD", 2134, LDAP, 128),
    text("LDAPPWD", 2048, CRL.and(LDAP), 32),
    text("LDAPUSER", 2047, CRL.and(LDAP), 1024),
    words("NESTGRP", 264, LDAP, NO_YES),
    text("OCSPURL", 2109, OCSP, 256),
    words("SECCOMM", 261, LDAP, &[("NO", 0), ("YES", 1), ("ANON", 2)]),
    text("SHORTUSR", 2127, LDAP, 128),
    text("USRFIELD", 2129, LDAP, 128),
];

const BLOCK_USER: KindSet = KindSet::of(&[Kind::ChlBlockUser]);
const BLOCK_ADDR: KindSet = KindSet::of(&[Kind::ChlBlockAddr]);
const PEER: KindSet = KindSet::of(&[Kind::ChlSslPeerMap]);
const ADDRESS: KindSet = KindSet::of(&[Kind::ChlAddressMap]);
const USER: KindSet = KindSet::of(&[Kind::ChlUserMap]);
const QMGR: KindSet = KindSet::of(&[Kind::ChlQmgrMap]);
/// Rules that give a user, or none.
const MAPS: KindSet = PEER.and(ADDRESS).and(USER).and(QMGR);
const RULES: KindSet = MAPS.and(BLOCK_USER).and(BLOCK_ADDR);

pub(super) const CHLAUTH: &[Attr] = &[
    text("ADDRESS", 3506, MAPS, 264).by(Access::Define),
    texts("ADDRLIST", 3566, BLOCK_ADDR, 256, 264),
    words("CHCKCLNT", 258, MAPS, &[("REQDADM", 2), ("REQUIRED", 3), ("ASQMGR", 4)]).is(4),
    text("CLNTUSER", 3567, USER, 64).by(Access::Define),
    text("CUSTOM", 2119, RULES, 128),
    text("DESCR", 2118, RULES, 64),
    text("MCAUSER", 3527, MAPS, 64),
    text("QMNAME", 2017, QMGR, 48).by(Access::Define),
    text("SSLCERTI", 2130, PEER, 1024).by(Access::Define),
    text("SSLPEER", 3545, PEER, 1024).by(Access::Define),
    texts("USERLIST", 3568, BLOCK_USER, 100, 64),
    words("USERSRC", 1638, MAPS, &[("MAP", 0), ("NOACCESS", 1), ("CHANNEL", 2)]),
    words("WARN", 1639, RULES, NO_YES),
];

/// The attributes that tell rules for one profile apart, with the profile their identity.
pub(crate) const CHLAUTH_KEY: [u16; 5] = [3506, 3567, 2017, 2130, 3545];
