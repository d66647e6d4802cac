use super::*;

fn target(text: &str) -> Target {
    Target::parse(text).unwrap()
}

#[test]
fn targets_are_read() {
    let path = |text: &str| Some(PathBuf::from(text));
    assert_eq!(target("host"), Target { destination: "host".into(), directory: None });
    assert_eq!(target("host:").directory, None);
    assert_eq!(target("u@host:/a b:c").directory, path("/a b:c"));
    assert_eq!(target("u@host:/a b:c").destination, "u@host");
    assert_eq!(target("host:/a@b"), Target { destination: "host".into(), directory: path("/a@b") });
    assert_eq!(target("u@[fe80::1%eth0]:x").destination, "u@fe80::1%eth0");
    assert_eq!(target("[::1]").directory, None);
}

#[test]
fn what_ssh_or_a_shell_would_take_for_something_else_is_refused() {
    for wrong in [
        "",
        ":/x",
        "@host",
        "u@",
        "-oProxyCommand=x",
        "u@-x",
        "-u@host",
        "a b",
        "$(x)",
        "u;x@host",
        "h\nx",
        "[::1",
        "[::1]x",
        "`x`",
        "h'",
    ] {
        assert!(Target::parse(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn scripts_survive_the_shell_that_gets_them() {
    for script in [INSTALLED, SENT] {
        let command = format!("set -- {}; printf %s \"$1\"", quoted(script));
        let shown = std::process::Command::new("sh").args(["-c", &command]).output().unwrap();
        assert_eq!(shown.stdout, script.as_bytes());
        let checked = std::process::Command::new("sh").args(["-n", "-c", script]).status().unwrap();
        assert!(checked.success());
    }
}
