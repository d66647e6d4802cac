//! Completions for zsh: the body of a function for each command.

use std::fmt::Write as _;

use super::{Choice, Known, Value};

const QUEUE_MANAGERS: &str = r#"_miqm_queue_managers() {
    emulate -L zsh
    local LC_ALL=C file line stanza= word value
    local -a names
    file=${AMQ_MQS_INI_LOCATION:-${MIQM_PREFIX:-/var/mqm}}
    [[ $file == *.ini ]] || file=$file/mqs.ini
    timeout -s KILL 1 head -c 1048576 -- "$file" 2>/dev/null | while read -r line || [[ -n $line ]]; do
        line=${line%$'\r'}
        [[ $line == [\#\;]* ]] && continue
        word=${line%%[:=]*}
        value=${line#"$word"}
        word=${word%%[[:blank:]]*}
        if [[ $value == :* ]]; then
            stanza=${word:l}
        elif [[ $stanza == queuemanager && ${word:l} == name ]]; then
            value=${value#=}
            value=${value#"${value%%[![:blank:]]*}"}
            [[ $value =~ '^[A-Za-z0-9._/%]{1,48}$' ]] && names+=("$value")
        fi
    done
    compadd "$@" -a names
}
"#;

pub(super) fn text(known: &Known) -> String {
    let command = &known.command;
    let mut text = format!(
        "#compdef {command}\n# Completion of {command} for zsh. Generated.\n\n{QUEUE_MANAGERS}\n_arguments"
    );
    for option in &known.options {
        for typed in &option.typed {
            let repeated = if option.repeated { "*" } else { "" };
            let action = option.value.as_ref().map(|value| action(option, value));
            let action = action.unwrap_or_default();
            _ = write!(text, " \\\n    '{repeated}{typed}[{}]{action}'", escaped(&option.help));
        }
    }
    for argument in &known.arguments {
        let action = argument.value.as_ref().map(|value| action(argument, value));
        _ = write!(text, " \\\n    '{}'", action.unwrap_or_default());
    }
    text.push('\n');
    text
}

/// `:message:action` for a value.
fn action(of: &Choice, value: &Value) -> String {
    let action = match value {
        Value::QueueManager => "_miqm_queue_managers".to_owned(),
        Value::File => "_files".to_owned(),
        Value::Directory => "_files -/".to_owned(),
        Value::OneOf(words) => format!("({})", words.join(" ")),
        Value::Any => " ".to_owned(),
    };
    format!(":{}:{action}", escaped(&of.name))
}

/// A text within a specification, which is within single quotes.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\'' => escaped.push_str("'\\''"),
            '\\' | '[' | ']' | ':' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}
