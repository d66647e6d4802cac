//! The types of object, their names spaces and their numbers on disk.

use std::fmt;

/// The type of an object. Where a type has subtypes with attributes of their own (channels,
/// authentication information, channel authentication rules), each is a type here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum Kind {
    /// The queue manager itself.
    Qmgr = 1,
    /// A queue that holds messages.
    Qlocal = 2,
    /// A template for dynamic queues.
    Qmodel = 3,
    /// Another name for a queue or topic.
    Qalias = 4,
    /// The local definition of a queue elsewhere.
    Qremote = 5,
    /// A sender channel.
    Sdr = 10,
    /// A server channel.
    Svr = 11,
    /// A receiver channel.
    Rcvr = 12,
    /// A requester channel.
    Rqstr = 13,
    /// The queue manager's end of client connections.
    Svrconn = 14,
    /// The client's end of client connections.
    Clntconn = 15,
    /// A cluster receiver channel.
    Clusrcvr = 16,
    /// A cluster sender channel.
    Clussdr = 17,
    /// A listener.
    Listener = 20,
    /// A program that the queue manager starts and stops.
    Service = 21,
    /// An application to be triggered.
    Process = 22,
    /// A list of names.
    Namelist = 23,
    /// An administered node of the topic tree.
    Topic = 24,
    /// A durable subscription made by an administrator.
    Sub = 25,
    /// How topics use multicast.
    Comminfo = 26,
    /// A directory of revoked certificates.
    AuthCrlLdap = 30,
    /// A responder for the state of certificates.
    AuthOcsp = 31,
    /// Users and passwords of the operating system.
    AuthIdpwOs = 32,
    /// Users and passwords of a directory.
    AuthIdpwLdap = 33,
    /// A rule that keeps users off channels.
    ChlBlockUser = 40,
    /// A rule that keeps addresses off the listener.
    ChlBlockAddr = 41,
    /// A rule by certificate.
    ChlSslPeerMap = 42,
    /// A rule by address.
    ChlAddressMap = 43,
    /// A rule by user.
    ChlUserMap = 44,
    /// A rule by remote queue manager.
    ChlQmgrMap = 45,
}

/// A name space: no two objects of a class have the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// The queue manager.
    Qmgr,
    /// Queues of all types.
    Queue,
    /// Channels of all types but client connections.
    Channel,
    /// Client connection channels.
    Clntconn,
    /// Listeners.
    Listener,
    /// Services.
    Service,
    /// Processes.
    Process,
    /// Namelists.
    Namelist,
    /// Topics.
    Topic,
    /// Subscriptions.
    Sub,
    /// Communication information.
    Comminfo,
    /// Authentication information of all types.
    Authinfo,
    /// Channel authentication rules.
    Chlauth,
}

/// A set of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindSet(u64);

impl KindSet {
    /// These types.
    pub const fn of(kinds: &[Kind]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < kinds.len() {
            bits |= 1 << kinds[at] as u16;
            at += 1;
        }
        Self(bits)
    }

    /// The types of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any type is in both.
    pub const fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether a type is among them.
    pub const fn has(self, kind: Kind) -> bool {
        self.0 & 1 << kind as u16 != 0
    }
}

impl Kind {
    /// Every type, by number.
    pub const ALL: [Self; 30] = [
        Self::Qmgr,
        Self::Qlocal,
        Self::Qmodel,
        Self::Qalias,
        Self::Qremote,
        Self::Sdr,
        Self::Svr,
        Self::Rcvr,
        Self::Rqstr,
        Self::Svrconn,
        Self::Clntconn,
        Self::Clusrcvr,
        Self::Clussdr,
        Self::Listener,
        Self::Service,
        Self::Process,
        Self::Namelist,
        Self::Topic,
        Self::Sub,
        Self::Comminfo,
        Self::AuthCrlLdap,
        Self::AuthOcsp,
        Self::AuthIdpwOs,
        Self::AuthIdpwLdap,
        Self::ChlBlockUser,
        Self::ChlBlockAddr,
        Self::ChlSslPeerMap,
        Self::ChlAddressMap,
        Self::ChlUserMap,
        Self::ChlQmgrMap,
    ];

    /// The number on disk.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The type with a number on disk.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }

    /// The name space of the type.
    pub const fn class(self) -> Class {
        match self {
            Self::Qmgr => Class::Qmgr,
            Self::Qlocal | Self::Qmodel | Self::Qalias | Self::Qremote => Class::Queue,
            Self::Clntconn => Class::Clntconn,
            Self::Sdr
            | Self::Svr
            | Self::Rcvr
            | Self::Rqstr
            | Self::Svrconn
            | Self::Clusrcvr
            | Self::Clussdr => Class::Channel,
            Self::Listener => Class::Listener,
            Self::Service => Class::Service,
            Self::Process => Class::Process,
            Self::Namelist => Class::Namelist,
            Self::Topic => Class::Topic,
            Self::Sub => Class::Sub,
            Self::Comminfo => Class::Comminfo,
            Self::AuthCrlLdap | Self::AuthOcsp | Self::AuthIdpwOs | Self::AuthIdpwLdap => {
                Class::Authinfo
            }
            Self::ChlBlockUser
            | Self::ChlBlockAddr
            | Self::ChlSslPeerMap
            | Self::ChlAddressMap
            | Self::ChlUserMap
            | Self::ChlQmgrMap => Class::Chlauth,
        }
    }

    /// The keyword and value that tell this type from the others of its class: `TYPE(QLOCAL)`,
    /// `CHLTYPE(SDR)`; none where there is only one.
    pub const fn subtype(self) -> Option<(&'static str, &'static str)> {
        Some(match self {
            Self::Qlocal => ("TYPE", "QLOCAL"),
            Self::Qmodel => ("TYPE", "QMODEL"),
            Self::Qalias => ("TYPE", "QALIAS"),
            Self::Qremote => ("TYPE", "QREMOTE"),
            Self::Sdr => ("CHLTYPE", "SDR"),
            Self::Svr => ("CHLTYPE", "SVR"),
            Self::Rcvr => ("CHLTYPE", "RCVR"),
            Self::Rqstr => ("CHLTYPE", "RQSTR"),
            Self::Svrconn => ("CHLTYPE", "SVRCONN"),
            Self::Clntconn => ("CHLTYPE", "CLNTCONN"),
            Self::Clusrcvr => ("CHLTYPE", "CLUSRCVR"),
            Self::Clussdr => ("CHLTYPE", "CLUSSDR"),
            Self::AuthCrlLdap => ("AUTHTYPE", "CRLLDAP"),
            Self::AuthOcsp => ("AUTHTYPE", "OCSP"),
            Self::AuthIdpwOs => ("AUTHTYPE", "IDPWOS"),
            Self::AuthIdpwLdap => ("AUTHTYPE", "IDPWLDAP"),
            Self::ChlBlockUser => ("TYPE", "BLOCKUSER"),
            Self::ChlBlockAddr => ("TYPE", "BLOCKADDR"),
            Self::ChlSslPeerMap => ("TYPE", "SSLPEERMAP"),
            Self::ChlAddressMap => ("TYPE", "ADDRESSMAP"),
            Self::ChlUserMap => ("TYPE", "USERMAP"),
            Self::ChlQmgrMap => ("TYPE", "QMGRMAP"),
            _ => return None,
        })
    }
}

impl fmt::Display for Kind {
    /// `QLOCAL`, `CHANNEL CHLTYPE(SDR)`, `LISTENER`: as in a command.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.class(), self.subtype()) {
            (Class::Queue, Some((_, name))) => f.write_str(name),
            (class, Some((keyword, name))) => write!(f, "{} {keyword}({name})", class.keyword()),
            (class, None) => f.write_str(class.keyword()),
        }
    }
}

impl Class {
    /// The keyword that carries the name in MQSC: `QUEUE`, `CHANNEL`.
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::Qmgr => "QMGR",
            Self::Queue => "QUEUE",
            Self::Channel | Self::Clntconn => "CHANNEL",
            Self::Listener => "LISTENER",
            Self::Service => "SERVICE",
            Self::Process => "PROCESS",
            Self::Namelist => "NAMELIST",
            Self::Topic => "TOPIC",
            Self::Sub => "SUB",
            Self::Comminfo => "COMMINFO",
            Self::Authinfo => "AUTHINFO",
            Self::Chlauth => "CHLAUTH",
        }
    }

    /// The longest name, in bytes.
    pub const fn name_bytes_max(self) -> usize {
        match self {
            Self::Channel | Self::Clntconn | Self::Chlauth => 20,
            Self::Sub => miqm_format::object::NAME_BYTES_MAX,
            _ => 48,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_types_are_one_to_one() {
        for kind in Kind::ALL {
            assert_eq!(Kind::from_number(kind.number()), Some(kind));
        }
        let found = (0..=u16::MAX).filter(|number| Kind::from_number(*number).is_some()).count();
        assert_eq!(found, Kind::ALL.len());
        assert!(Kind::ALL.windows(2).all(|pair| pair[0].number() < pair[1].number()));
        assert_eq!(Kind::Sdr.to_string(), "CHANNEL CHLTYPE(SDR)");
    }
}
