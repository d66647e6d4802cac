//! Completions for fish: a line for each option.

use std::fmt::Write as _;

use super::{Known, Value};

const QUEUE_MANAGERS: &str = r#"function __miqm_queue_managers
    set -l file /var/mqm
    test -n "$MIQM_PREFIX"; and set file "$MIQM_PREFIX"
    test -n "$AMQ_MQS_INI_LOCATION"; and set file "$AMQ_MQS_INI_LOCATION"
    string match -q -- '*.ini' "$file"; or set file "$file/mqs.ini"
    set -l stanza
    timeout -s KILL 1 head -c 1048576 -- "$file" 2>/dev/null | while read -l line
        set -l header (string match -r '^([^:=\s#;]+)\s*:' -- "$line")
        if test (count $header) -eq 2
            set stanza (string lower -- $header[2])
        else if test "$stanza" = queuemanager
            set -l name (string match -r -i '^\s*name\s*=\s*([a-z0-9._/%]{1,48})\s*$' -- "$line")
            test (count $name) -eq 2; and echo $name[2]
        end
    end
end
"#;

pub(super) fn text(known: &Known) -> String {
    let command = &known.command;
    let mut text = format!(
        "# Completion of {command} for fish. Generated.\n\n{QUEUE_MANAGERS}\ncomplete -c {command} -f\n"
    );
    for option in &known.options {
        _ = write!(text, "complete -c {command}");
        for typed in &option.typed {
            let (kind, name) = match typed.strip_prefix("--") {
                Some(name) => ("-l", name),
                // fish calls several letters after a single dash old.
                None => match typed.strip_prefix('-').unwrap_or(typed) {
                    name if name.len() == 1 => ("-s", name),
                    name => ("-o", name),
                },
            };
            _ = write!(text, " {kind} {}", quoted(name));
        }
        if let Some(value) = &option.value {
            _ = write!(text, " {}", offer(value));
        }
        _ = writeln!(text, " -d {}", quoted(&option.help));
    }
    for argument in &known.arguments {
        if let Some(value) = argument.value.as_ref().filter(|value| !matches!(value, Value::Any)) {
            let offer = offer(value);
            // An argument does not follow an option.
            let offer = offer.trim_start_matches("-x ").trim_start_matches("-r ");
            _ = writeln!(text, "complete -c {command} {offer} -d {}", quoted(&argument.help));
        }
    }
    text
}

fn offer(value: &Value) -> String {
    match value {
        Value::QueueManager => "-x -a '(__miqm_queue_managers)'".into(),
        Value::File => "-r -F".into(),
        Value::Directory => "-x -a '(__fish_complete_directories (commandline -ct))'".into(),
        Value::OneOf(words) => format!("-x -a {}", quoted(&words.join(" "))),
        Value::Any => "-x".into(),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}
