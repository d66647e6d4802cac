//! Completions for bash: a function for each command.

use std::fmt::Write as _;

use super::{Choice, Known, Value};

/// Lists the queue managers. What `compgen -W` gets is expanded by the shell, so only what can be a
/// name gets there. The file can be a link to storage that does not answer: then it is given up.
const QUEUE_MANAGERS: &str = r#"_miqm_queue_managers() {
    local LC_ALL=C file line stanza= word value
    file=${AMQ_MQS_INI_LOCATION:-${MIQM_PREFIX:-/var/mqm}}
    [[ $file == *.ini ]] || file=$file/mqs.ini
    while read -r line || [[ $line ]]; do
        line=${line%$'\r'}
        [[ $line == [\#\;]* ]] && continue
        word=${line%%[:=]*}
        value=${line#"$word"}
        word=${word%%[[:blank:]]*}
        if [[ $value == :* ]]; then
            stanza=${word,,}
        elif [[ $stanza == queuemanager && ${word,,} == name ]]; then
            value=${value#=}
            value=${value#"${value%%[![:blank:]]*}"}
            [[ $value =~ ^[A-Za-z0-9._/%]{1,48}$ ]] && printf '%s\n' "$value"
        fi
    done < <(timeout -s KILL 1 head -c 1048576 -- "$file" 2>/dev/null)
}
"#;

pub(super) fn text(known: &Known) -> String {
    let (command, function) = (&known.command, format!("_miqm_{}", known.identifier()));
    let mut text = format!("# Completion of {command} for bash. Generated.\n\n{QUEUE_MANAGERS}\n");
    _ = write!(
        text,
        "{function}() {{\n    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=\n    COMPREPLY=()\n    \
         ((COMP_CWORD > 1)) && prev=${{COMP_WORDS[COMP_CWORD - 1]}}\n    case $prev in\n"
    );
    for option in &known.options {
        if let Some(value) = &option.value {
            _ = writeln!(text, "    {})", option.typed.join(" | "));
            _ = writeln!(text, "        {}\n        return\n        ;;", offer(value));
        }
    }
    let words: Vec<_> = known.options.iter().flat_map(|option| &option.typed).collect();
    let words: Vec<_> = words.iter().map(|word| word.as_str()).collect();
    _ = write!(
        text,
        "    esac\n    if [[ $cur == -* ]]; then\n        COMPREPLY=($(compgen -W '{}' -- \"$cur\"))\n        \
         return\n    fi\n",
        words.join(" ")
    );
    for value in known.arguments.iter().filter_map(|argument: &Choice| argument.value.as_ref()) {
        _ = writeln!(text, "    {}", offer(value));
    }
    _ = write!(text, "}}\ncomplete -F {function} {command}\n");
    text
}

/// The line that offers values.
fn offer(value: &Value) -> String {
    match value {
        Value::QueueManager => {
            "COMPREPLY+=($(compgen -W \"$(_miqm_queue_managers)\" -- \"$cur\"))".into()
        }
        Value::OneOf(words) => {
            format!("COMPREPLY+=($(compgen -W '{}' -- \"$cur\"))", words.join(" "))
        }
        // The shell's own way with paths: blanks in them, a slash behind a directory.
        Value::File => "compopt -o default 2>/dev/null".into(),
        Value::Directory => "compopt -o dirnames 2>/dev/null".into(),
        Value::Any => ":".into(),
    }
}
