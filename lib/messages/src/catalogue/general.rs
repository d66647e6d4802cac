//! AMQ1000 to AMQ1099: arguments, environment, output, and whatever any command may have to say.

macro_rules! general {
    (($($next:ident)*) $($before:tt)*) => { then! { ($($next)*) $($before)*

1000 Error UnknownOption { option: String }
    "'{option}' is not an option of this command."
    explain "The command has no such option. Options and their values are case sensitive."
    respond "Run the command with --help for the options that it has." ;

1001 Error OptionNeedsValue { option: String }
    "Option '{option}' needs a value."
    explain "The option was the last thing on the command line, or its value is empty."
    respond "Give the value after the option." ;

1002 Error BadOptionValue { option: String, value: String, why: String }
    "The value '{value}' of '{option}' is not valid: {why}."
    explain "The value is outside of what the option or argument accepts. Nothing was changed."
    respond "Correct the value. The manual page of the command gives the limits." ;

1003 Error ArgumentMissing { argument: String }
    "The argument {argument} is missing."
    explain "The command cannot do its work without it, and there is no default for it."
    respond "Add the argument. Run the command with --help to see the order of arguments." ;

1004 Error OptionsConflict { one: String, other: String }
    "'{one}' and '{other}' cannot be used together."
    explain "The two ask for different things. Nothing was changed."
    respond "Decide for one of them." ;

1005 Error OptionRepeated { option: String }
    "'{option}' is given more than once."
    explain "It can be given once only, because it is not clear which of the values should count."
    respond "Give it once." ;

1006 Error UnexpectedArgument { argument: String }
    "The argument '{argument}' is one too many."
    explain "Every argument that the command takes has been given already."
    respond "Remove the argument, or put it in quotes together with what it belongs to." ;

1007 Error OptionRefused { option: String, why: String }
    "Option '{option}' is refused: {why}."
    explain "The option exists in this interface, but not in this program. To go on without it could do something else than was asked for, so nothing was done."
    respond "Repeat the command without the option." ;

1008 Error OptionTakesNoValue { option: String, value: String }
    "Option '{option}' takes no value, but '{value}' was given."
    explain "The option is a switch. Nothing was changed."
    respond "Remove the value, or put a blank in front of it if it is an argument of its own." ;

1009 Error BadArguments { detail: String }
    "The arguments cannot be used: {detail}."
    explain "The command line was refused as a whole. Nothing was changed."
    respond "Run the command with --help to see what it accepts." ;

1010 Error NotText { argument: String }
    "The argument '{argument}' is not text in UTF-8."
    explain "An argument has bytes that are no characters in UTF-8, shown here as question marks."
    respond "Set the terminal to UTF-8 and type the argument again." ;

1011 Error BadEnvironment { variable: String, value: String, why: String }
    "The environment variable {variable} is '{value}', which cannot be used: {why}."
    explain "The variable says where things are or how they are called on this host, so the command does not go on with a guess."
    respond "Correct or unset the variable. miqm(7) lists the variables and what they mean." ;

1012 Error BadName { name: String, why: String }
    "'{name}' is not a name for a queue manager: {why}."
    explain "The name of a queue manager has 1 to 48 characters out of A-Z a-z 0-9 . / _ and %."
    respond "Correct the name. Names are case sensitive." ;

1013 Error OutputLost { cause: String }
    "Output could not be written: {cause}."
    explain "The command may have done its work, but not all of what it had to say arrived. It ends with a failure, so that nobody takes the part for the whole."
    respond "Make room or choose another place for the output, find out with a display command what was done, and repeat the command if need be." ;

1014 Severe NoAnswer { operation: String, path: String, seconds: u64 }
    "There was no answer within {seconds} s to: {operation} '{path}'."
    explain "The storage that holds the path does not answer, as happens with a network file system whose server is gone. The command gave up waiting; what it had begun is left as it was."
    respond "Look at the mount and at its server. Repeat the command when the path can be read again, or with a longer --deadline if the storage is only slow." ;

1015 Severe CommandDied { signal: String }
    "The part of the command that works on storage was ended by {signal}."
    explain "Commands touch storage from a process of their own, so that a dead mount cannot hang them. Somebody, or the kernel for want of memory, ended that process."
    respond "Look into the system log for who did it. Display commands tell how far the work went; it is safe to repeat the command." ;

1016 Severe HostNameUnusable { name: String }
    "The host name '{name}' cannot be shown as the name of an instance."
    explain "Instances are known by the name of their host, which must have 1 to 64 printable ASCII characters without blanks and parentheses."
    respond "Set a usable host name, or give one in the environment variable MIQM_HOSTNAME." ;

1017 Severe CannotStart { cause: String }
    "The command could not set itself up: {cause}."
    explain "The operating system refused something that every command needs, for instance another process."
    respond "Free what is short (processes, memory, open files) and repeat the command." ;

1018 Error NoSuchCommand { name: String }
    "'{name}' is not one of the commands."
    explain "The program runs the command that it is called as, or the one that its first argument names, and has none of this name."
    respond "Run it with --help to list the commands." ;

1020 Error NothingKnown { what: String }
    "Nothing is known by '{what}'."
    explain "It is neither a reason code, nor the symbol of one, nor the id of a message in the catalogue of this version."
    respond "Check the spelling. Reason codes are decimal, or hexadecimal after 0x; message ids begin with AMQ." ;

1021 Warning SeverityDiffers { given: String, actual: String }
    "There is no message {given}; the message of this number is {actual}."
    explain "The letter at the end of a message id is its severity, and the message was asked for with another one."
    respond "Use -a to look a message up whatever its severity." ;

1022 Error BadRange { first: String, last: String }
    "The range from '{first}' to '{last}' is not one."
    explain "A range needs a first and a last number, both given in the same way, and the first must not be above the last."
    respond "Give the range with -f and -l, as in: mqrc -R -f 2000 -l 2099." ;

1023 Error UnknownBits { option: String, value: u64, unknown: u64 }
    "The value {value} of '{option}' contains {unknown}, which stands for nothing here."
    explain "The value is a sum of numbers, each of which selects one thing to display."
    respond "Use only the numbers that the manual page of the command lists." ;

1024 Warning ComponentNotInstalled { component: String }
    "The component '{component}' is not installed."
    explain "The component is one that this interface can ask for, and not part of this program."
    respond "No action is needed, unless something on this host relies on the component." ;

1025 Info NoOthers
    "No other installation is known on this host."
    explain "Installations are displayed that were set up beside this one."
    respond "No action is needed." ;

1026 Error InputLost { cause: String }
    "Standard input could not be read: {cause}."
    explain "The command was asked to read from standard input, which failed or is not text."
    respond "Check what standard input is connected to, and repeat the command." ;

    } };
}
