//! What a provisioning file may say, and what is said about one that is wrong.

use super::*;

const WHOLE: &str = r#"
description = "Payments"
dead-letter-queue = "SYSTEM.DEAD.LETTER.QUEUE"
default-transmission-queue = "X/Y"
max-handles = 1_000
max-uncommitted-messages = 0x10
trigger-interval = 0
port = 65535
default = true
security-policy = "USEREXTERNAL"
application-group = "apps"

[paths]
data = "/mnt//mqha/./QM1/data/"
log-under = "/mnt/log"
require-mount = ["/mnt/mqha", "/mnt/log"]

[log]
type = "linear"
management = "automatic"
file-pages = 64
primary-files = 510
secondary-files = 1

[config]
ini = "/etc/miqm/QM1.ini"
variables = { B = "2", A = "one" }
"#;

fn parsed(text: &str) -> Result<Provision, Vec<String>> {
    Provision::parse(text.as_bytes()).map_err(|problems| {
        assert!(!problems.is_empty());
        problems.iter().map(|p| format!("{}:{}: {}", p.line, p.column, p.why)).collect()
    })
}

#[test]
fn every_key_counts() {
    let found = parsed(WHOLE).unwrap();
    assert_eq!(found.description.as_deref(), Some("Payments"));
    assert_eq!(found.dead_letter, Some("SYSTEM.DEAD.LETTER.QUEUE".parse().unwrap()));
    assert_eq!(found.default_xmitq, Some("X/Y".parse().unwrap()));
    assert_eq!((found.max_handles, found.max_uncommitted), (Some(1000), Some(16)));
    assert_eq!((found.trigger_interval, found.port), (Some(0), Some(65_535)));
    assert_eq!(found.is_default, Some(true));
    assert_eq!(found.security_policy, Some("UserExternal"));
    assert_eq!(found.application_group.as_deref(), Some("apps"));
    assert_eq!(found.data, Some(Directory::At("/mnt/mqha/QM1/data".into())));
    assert_eq!(found.log, Some(Directory::Under("/mnt/log".into())));
    let mounts = vec!["/mnt/mqha".into(), "/mnt/log".into()];
    assert_eq!(found.require_mount, Some(Mounts::These(mounts)));
    assert_eq!(found.log_kind, Some(LogKind::Linear(Some(LogManagement::Automatic))));
    assert_eq!(found.extent_pages, Some(64));
    assert_eq!((found.primary, found.secondary), (Some(510), Some(1)));
    assert_eq!(found.ini, Some("/etc/miqm/QM1.ini".into()));
    let variables = [("A", "one"), ("B", "2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(found.variables, Some(variables.to_vec()));
    assert_eq!((found.line_of("port"), found.line_of("log.type")), (8, 19));
    assert_eq!(
        found.storage(),
        ["/mnt/mqha/QM1/data", "/mnt/log", "/mnt/mqha", "/mnt/log"].map(Path::new)
    );
    // Every key is known to the one that looks for what was meant, and the other way round.
    let known: Vec<_> =
        near::KEYS.iter().filter(|key| !["paths", "log", "config"].contains(key)).collect();
    let mut seen: Vec<_> = found.lines.keys().copied().collect();
    seen.extend(["paths.data-under", "paths.log", "config.mqsc"]);
    seen.sort_unstable();
    assert_eq!(known.into_iter().copied().collect::<Vec<_>>(), seen);
}

#[test]
fn the_example_is_a_good_one() {
    let found = parsed(include_str!("../../../../units/examples/QM1.toml")).unwrap();
    assert_eq!(found.data, Some(Directory::Under("/mnt/mqha/qmgrs".into())));
    assert_eq!(found.require_mount, Some(Mounts::These(vec!["/mnt/mqha".into()])));
    assert_eq!((found.port, found.primary), (Some(1414), Some(10)));
}

#[test]
fn an_empty_file_asks_for_nothing() {
    assert_eq!(parsed("").unwrap(), Provision::default());
    assert_eq!(parsed("# only a comment\n[log]\n[paths]\n").unwrap(), Provision::default());
}

#[test]
fn what_is_wrong_is_told_with_line_column_and_remedy() {
    for (text, told) in [
        ("prot = 1414", "1:1: there is no key 'prot'; 'port' may be meant"),
        ("\n  colour = 1", "2:3: there is no key 'colour'"),
        (
            "[log]\nprimary_files = 3",
            "2:1: there is no key 'log.primary_files'; 'log.primary-files' may be meant",
        ),
        ("port = '1414'", "1:8: 'port' must be a whole number, and not a string"),
        ("port = 1414.0", "1:8: 'port' must be a whole number, and not a number with a fraction"),
        ("port = 0", "1:8: 'port' cannot be '0': it must be between 1 and 65535"),
        ("port = -1", "1:8: 'port' cannot be '-1': it must be between 1 and 65535"),
        (
            "port = 99999999999999999999",
            "1:8: 'port' cannot be '99999999999999999999': it must be between 1 and 65535",
        ),
        ("default = 1", "1:11: 'default' must be true or false, and not a whole number"),
        (
            "description = 1979-05-27",
            "1:15: 'description' must be a string, and not a date or time",
        ),
        ("max-handles = []", "1:15: 'max-handles' must be a whole number, and not a list"),
        ("paths = '/a'", "1:9: 'paths' must be a table, and not a string"),
        ("[[log]]", "1:1: 'log' must be a table, and not a list"),
        (
            "[log]\ntype = 'round'",
            "2:8: 'log.type' cannot be 'round': it must be one of circular, linear",
        ),
        (
            "[log]\nfile-pages = 63",
            "2:14: 'log.file-pages' cannot be '63': it must be between 64 and 65535",
        ),
        (
            "[log]\n management = 'manual'",
            "2:15: 'log.management' means nothing without log.type = 'linear'",
        ),
        (
            "[paths]\ndata = '/a'\ndata-under = '/b'",
            "3:14: 'paths.data' and 'paths.data-under' exclude each other",
        ),
        (
            "[paths]\nrequire-mount = []",
            "2:17: 'paths.require-mount' cannot be 'a list': it must be a list of 1 to 100 paths",
        ),
        (
            "[paths]\nrequire-mount = [1]",
            "2:17: 'paths.require-mount' must be true or false, the path of a mount, or a list of them, and not a list",
        ),
        (
            "[config]\nmqsc = ['/a']",
            "2:1: 'config.mqsc' is refused: this version does not run MQSC commands at a start",
        ),
        ("[config]\nini = ['/a']", "2:7: 'config.ini' must be a string, and not a list"),
        (
            "[config.variables]\nA = 1",
            "1:1: 'config.variables' must be a table of strings, and not a table",
        ),
        (
            "dead-letter-queue = 'a b'",
            "1:21: 'dead-letter-queue' cannot be 'a b': it must be the name of a queue: 1 to 48 of A-Z a-z 0-9 . / _ %",
        ),
    ] {
        assert_eq!(parsed(text).unwrap_err(), [told], "{text}");
    }
}

#[test]
fn paths_that_mean_something_else_elsewhere_are_refused() {
    let long = format!("/{}", "x".repeat(PATH_BYTES_MAX));
    for bad in ["", "a", "./a", "/a/../b", "/a\\nb", " /a", "/a ", &long] {
        let text = format!("[paths]\ndata-under = \"{bad}\"\n");
        let told = parsed(&text).unwrap_err();
        assert!(told[0].starts_with("2:14: 'paths.data-under' cannot be"), "{bad}: {told:?}");
        assert!(told[0].len() < 300, "{told:?}");
    }
    assert!(parsed("[paths]\ndata = '/'").is_err());
    assert!(parsed("[paths]\ndata-under = '/'").is_ok());
}

#[test]
fn what_is_no_toml_and_no_text_is_told_where() {
    let told = parsed("port = 1414\nport = 1415\n").unwrap_err();
    assert!(told[0].starts_with("2:1: this is not TOML ("), "{told:?}");
    let told = parsed("a = \n").unwrap_err();
    assert!(told[0].starts_with("1:"), "{told:?}");
    let problems = Provision::parse(b"# \xc3\xa9\n \xff").unwrap_err();
    assert_eq!((problems[0].line, problems[0].column), (2, 2));
    assert_eq!(problems[0].why, Why::NotText);
}

#[test]
fn all_that_is_wrong_is_told_at_once_but_not_without_end() {
    let told = parsed("port = 0\nmax-handles = 0\n[log]\ntype = 1\n").unwrap_err();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.is_sorted(), "{told:?}");
    let many: String =
        (0..1000).flat_map(|n| ['k'.to_string(), n.to_string(), " = 1\n".to_owned()]).collect();
    assert_eq!(parsed(&many).unwrap_err().len(), PROBLEMS_MAX);
}

#[test]
fn depth_is_bounded() {
    let deep = format!("port = {}1{}", "[".repeat(30_000), "]".repeat(30_000));
    assert!(parsed(&deep).is_err());
    let deep = format!("[{}a]\n", "a.".repeat(30_000));
    assert!(parsed(&deep).is_err());
}
