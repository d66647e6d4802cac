# What the scripts of all packages share; put into each of them where they are made.

# Of the installed queue managers, and not of a test that root's environment names.
unset MIQM_PREFIX MIQM_RUNTIME_DIR MIQM_HOSTNAME AMQ_MQS_INI_LOCATION MQSPREFIX

miqm_say() { printf 'miqm: %s\n' "$*" >&2; }

# Whether systemd runs this machine, and not only lies in its file system, as in a container.
miqm_booted() { [ -d /run/systemd/system ]; }

miqm_has() { command -v "$1" >/dev/null 2>&1; }

# miqm_here STATUS: the queue managers that have an instance on this host with that status. Needs nothing that
# runs, and gives storage that does not answer a few seconds for each.
miqm_here() {
    dspmq -a 2>/dev/null </dev/null | sed -n "s/^QMNAME(\\([^)]*\\)) *STATUS($1).*/\\1/p"
}

# The units, the catalogue of the journal: what systemd keeps in its own memory of files that have changed.
miqm_reload() {
    if miqm_booted; then
        systemctl daemon-reload || miqm_say "systemd did not read its units again: systemctl daemon-reload"
    fi
    if miqm_has journalctl; then
        journalctl --update-catalog >/dev/null 2>&1 ||
            miqm_say "the journal cannot explain messages: journalctl --update-catalog"
    fi
}

# What has to be there beside the files. Without the user nothing works; a directory may be an operator's
# business, such as a mount that belongs to somebody else.
miqm_settle() {
    systemd-sysusers miqm.conf
    systemd-tmpfiles --create miqm.conf ||
        miqm_say "a directory is not as it should be: systemd-tmpfiles --create miqm.conf"
    miqm_reload
}

# Whether whoever administers this machine lets packages restart a unit.
miqm_may_restart() {
    miqm_has policy-rc.d || return 0
    miqm_answer=0
    policy-rc.d "$1" restart >/dev/null 2>&1 || miqm_answer=$?
    [ "$miqm_answer" -eq 0 ] || [ "$miqm_answer" -eq 104 ]
}

# miqm_renew_standby QMGR: has a standby run the program that has just been installed. It is ended by the command
# that ends nothing but a standby: should it become active just now, it stays. Nothing here fails.
miqm_renew_standby() {
    miqm_unit=$(systemd-escape --template=mqm@.service -- "$1") || return 0
    if ! miqm_booted || ! systemctl --quiet is-active "$miqm_unit"; then
        miqm_say "the standby of '$1' was not started by systemd and goes on with the former program"
    elif ! miqm_may_restart "$miqm_unit"; then
        miqm_say "$miqm_unit goes on with the former program: policy-rc.d forbids to restart it"
    elif ! timeout 60 endmqm -x "$1" >/dev/null </dev/null; then
        miqm_say "$miqm_unit goes on with the former program: it could not be ended as a standby"
    elif ! timeout 90 systemctl start "$miqm_unit"; then
        miqm_say "$miqm_unit was ended and is not up again: see systemctl status $miqm_unit"
    fi
}

# After an upgrade: standbys are restarted, active instances never.
miqm_renew() {
    miqm_here 'Running as standby' | while read -r miqm_qmgr; do
        miqm_renew_standby "$miqm_qmgr"
    done
    miqm_here 'Running' | while read -r miqm_qmgr; do
        miqm_say "'$miqm_qmgr' is active here and goes on with the former program: see miqm-upgrade(7)"
    done
}

# Before removal: ends what systemd has started, as a shutdown does, so that a standby on another host takes
# over. Fails if an instance is left that was started otherwise: that is somebody's own business.
miqm_end() {
    if miqm_booted; then
        timeout 660 systemctl stop 'mqm@*.service' 'mqm-*@*' || :
    fi
    miqm_left=$(miqm_here '.*')
    [ -n "$miqm_left" ] || return 0
    for miqm_qmgr in $miqm_left; do
        miqm_say "an instance of '$miqm_qmgr' runs here: end it first, with endmqm -is $miqm_qmgr"
    done
    return 1
}

# After removal for good: links that systemctl enable made, which now lead to nothing, the reports of mqm-fsck@, and
# empty directories. Never the data of a queue manager, and never the user, who owns it.
miqm_forget() {
    for miqm_link in /etc/systemd/system/*.wants/mqm*@* /etc/systemd/system/*.requires/mqm*@*; do
        if [ -L "$miqm_link" ] && [ ! -e "$miqm_link" ]; then
            case $(readlink "$miqm_link") in
            /lib/systemd/system/mqm*@* | /usr/lib/systemd/system/mqm*@*) rm -f "$miqm_link" ;;
            esac
        fi
    done
    rm -f /var/lib/miqm/fsck/*.html
    for miqm_folder in /var/lib/miqm/fsck /var/lib/miqm @FOLDERS@; do
        if [ -d "$miqm_folder" ] && [ ! -L "$miqm_folder" ]; then
            rmdir --ignore-fail-on-non-empty "$miqm_folder" 2>/dev/null || :
        fi
    done
}
