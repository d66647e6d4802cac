#!/bin/bash
# systemd-box.sh - throw-away machines with a real systemd as PID 1, for tests.
#
# A box is a systemd-nspawn container over a cached minimal Debian tree.  It
# needs no systemd, machined or cgroup v2 set-up on the host: the host may run
# anything as PID 1, with a hybrid or a unified cgroup hierarchy.  Each box has
# its own root (an overlay, discarded by `down`), hostname, machine id, network
# namespace, PID namespace and cgroup tree.  All its mounts live in a private
# mount namespace and vanish with its last process.
#
#   possible                 whether boxes can be had here; if not, says why
#   build                    make the cached tree (debootstrap; about a minute)
#   up NAME [OPTIONS]        boot a box and wait until its systemd is up
#      --bind HOST:GUEST       bind-mount a host directory (may be repeated)
#      --bind-ro HOST:GUEST    the same, read-only
#      --hostname H            default: NAME
#      --addr A.B.C.D/LEN      plug the box into a switch shared by all boxes that
#                              have --addr, with this address on its link host0;
#                              the host joins in with: ip addr add ... dev miqm-box
#      --netns NS              or: use the network namespace /run/netns/NS
#      --setenv K=V            environment of its PID 1
#      --keep                  keep the overlay of an earlier box of that name
#      --early                 return as soon as systemd answers; its boot may hang
#   exec NAME CMD [ARG...]   run CMD in the box as root, as a plain shell would: in no unit
#                            and no session; its exit status is passed on
#   unit NAME CMD [ARG...]   the same in a transient service of the box (own cgroup,
#                            a journal entry per line, killed with the unit)
#   shell NAME               interactive shell
#   wait NAME                wait until the box has ended by itself (poweroff, reboot, crash);
#                            `up NAME --keep` with the other options boots it again
#   down NAME [--keep]       shut down in order (SIGTERM to services), then clean up
#   crash NAME [--keep]      pull the plug: SIGKILL everything at once, then clean up
#   freeze NAME, thaw NAME   stop and continue its services (a host that hangs)
#   pid NAME                 host PID of the box's PID 1
#   list                     boxes that run
#   clean                    crash every box, remove the cached tree
#
# Settings (environment):
#   BOX_CACHE     trees and state      /var/tmp/miqm-box
#   BOX_SUITE     Debian release       the host's own, else bookworm
#   BOX_MIRROR    package mirror       the host's apt mirror, else debootstrap's own
#   BOX_TIMEOUT   seconds to wait for boot and for shutdown   60
#
# Needs root, and the packages systemd-container, debootstrap, procps, iproute2.
set -u
export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}:/usr/sbin:/sbin"

CACHE=${BOX_CACHE:-/var/tmp/miqm-box}
TIMEOUT=${BOX_TIMEOUT:-60}
SWITCH=miqm-box
# What a tree has beside the base system.  apt puts in what debootstrap cannot: it does not
# resolve virtual packages.
BASE=systemd,systemd-sysv,dbus,procps,iproute2
PACKAGES="polkitd bash-completion"
# Trees that are made otherwise are other trees.
SUITE=${BOX_SUITE:-$(. /etc/os-release 2>/dev/null; [ "${ID:-}" = debian ] && echo "${VERSION_CODENAME:-}")}
SUITE=${SUITE:-bookworm}
TREE=$CACHE/tree-$(printf %s "$SUITE $BASE $PACKAGES" | cksum | cut -d' ' -f1)

die()  { echo "systemd-box: $*" >&2; exit 1; }
note() { echo "systemd-box: $*" >&2; }
box()  { echo "$CACHE/boxes/$1"; }

# A process is named by PID and start time, so that a reused PID is not mistaken.
started() { # started PID: its start time; fails for a zombie or a dead process
    local stat
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    stat=${stat##*) }
    [ "${stat%% *}" != Z ] || return 1
    set -- $stat
    echo "${20}"
}
recorded() { # recorded FILE: the PID kept there, if that process still runs
    local pid start
    { read -r pid start <"$1"; } 2>/dev/null || return 1
    [ "$(started "$pid")" = "$start" ] && echo "$pid"
}
record() { echo "$1 $(started "$1")" >"$2.new" && mv "$2.new" "$2"; }
leader() { recorded "$(box "$1")/leader"; }

wait_for() { # wait_for SECONDS CMD...
    local end=$(( $(date +%s) + $1 )); shift
    until "$@"; do
        [ "$(date +%s)" -ge "$end" ] && return 1
        sleep 0.05
    done
}

# one_at_a_time CMD...: not while another systemd-box.sh is at it
one_at_a_time() {
    mkdir -p "$CACHE" || exit 1
    ( flock 8 && "$@" ) 8>"$CACHE/lock"
}

lacks() { # lacks PROGRAM:PACKAGE...: says which are not there; fails if none
    local c want=""
    for c in "$@"; do command -v "${c%%:*}" >/dev/null || want="$want ${c##*:}"; done
    [ -n "$want" ] && echo "not installed:$want"
}
possible() {
    [ "$(id -u)" = 0 ] || { echo "needs root"; return 1; }
    lacks systemd-nspawn:systemd-container nsenter:util-linux pgrep:procps ip:iproute2 && return 1
    [ -e "$TREE/.complete" ] || ! lacks debootstrap:debootstrap || return 1
    awk '$3 == "cgroup2" {found = 1} END {exit !found}' /proc/mounts ||
        { echo "no cgroup v2 hierarchy is mounted"; return 1; }
    local at; at=$(cgroup2) && mkdir -p "$at/miqm-box-$$" 2>/dev/null && rmdir "$at/miqm-box-$$" ||
        { echo "no cgroups can be made"; return 1; }
    grep -qw overlay /proc/filesystems || modprobe -q overlay 2>/dev/null ||
        { echo "there is no overlay file system"; return 1; }
    unshare -m --propagation private true 2>/dev/null || { echo "mounts are not permitted"; return 1; }
}
must_be_possible() { local why; why=$(possible) || die "no boxes here: $why"; }

add_packages() {
    unshare -m --propagation private bash -c '
        cd "$1" && shift && mount -t proc proc proc && touch etc/resolv.conf &&
            mount --bind /etc/resolv.conf etc/resolv.conf || exit 1
        printf "#!/bin/sh\nexit 101\n" >usr/sbin/policy-rc.d && chmod 755 usr/sbin/policy-rc.d
        export DEBIAN_FRONTEND=noninteractive
        chroot . apt-get update && chroot . apt-get install -y --no-install-recommends "$@"
        rc=$?; rm -f usr/sbin/policy-rc.d; exit $rc' _ "$TREE" "$@"
}

build() {
    must_be_possible
    [ -e "$TREE/.complete" ] && { note "$TREE is there (clean removes it)"; return 0; }
    mkdir -p "$CACHE/debs" || exit 1
    local mirror
    mirror=${BOX_MIRROR:-$(apt-get indextargets --format '$(CODENAME) $(REPO_URI)' 2>/dev/null |
        awk -v s="$SUITE" '$1 == s {print $2; exit}')}
    [ -d "$TREE" ] && { rm -rf --one-file-system "$TREE" || exit 1; }
    # In a mount namespace of its own: whatever debootstrap mounts cannot stay behind.
    unshare -m --propagation private debootstrap --variant=minbase --cache-dir="$CACHE/debs" \
        --include="$BASE" "$SUITE" "$TREE" ${mirror:+"$mirror"} >"$CACHE/build.log" 2>&1 ||
        die "debootstrap failed: $(tail -3 "$CACHE/build.log")"
    add_packages $PACKAGES >>"$CACHE/build.log" 2>&1 ||
        die "cannot install $PACKAGES: $(tail -3 "$CACHE/build.log")"
    rm -f "$TREE"/var/cache/apt/archives/*.deb "$TREE"/var/lib/apt/lists/*_* "$TREE/etc/hostname"
    : >"$TREE/etc/machine-id"               # each box gets its own at boot
    rm -f "$TREE/var/lib/dbus/machine-id"
    ln -s /etc/machine-id "$TREE/var/lib/dbus/machine-id" 2>/dev/null
    mkdir -p "$TREE/etc/systemd/journald.conf.d" "$TREE/etc/systemd/system"
    printf '[Journal]\nStorage=volatile\nRateLimitBurst=0\n' \
        >"$TREE/etc/systemd/journald.conf.d/box.conf"
    # Nothing that ticks, waits for devices or needs a console in a test box.
    local u
    for u in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
             e2scrub_reap.service fstrim.timer man-db.timer systemd-timesyncd.service \
             systemd-networkd-wait-online.service console-getty.service getty.target \
             systemd-resolved.service systemd-pstore.service; do
        ln -sf /dev/null "$TREE/etc/systemd/system/$u"
    done
    : >"$TREE/.complete"
    note "built $TREE ($(du -sm "$TREE" | cut -f1) MB)"
}

# The first process of a box on the host side: hide /run, lay the overlay, hand over
# to nspawn.  /run is hidden because nspawn keeps state there that only a systemd
# host cleans up; a network namespace is passed as an open descriptor instead.
BOX_INIT='
set -e
b=$1; shift
mount --make-rprivate /
mount -t tmpfs tmpfs /run
mount -t overlay overlay -o "lowerdir=$TREE,upperdir=$b/upper,workdir=$b/work" "$b/root"
exec systemd-nspawn -D "$b/root" "$@"'

# The cgroup v2 directory this shell is in.  nspawn makes payload/ and supervisor/
# under the cgroup it starts in, so each box needs a cgroup to itself.
cgroup2() {
    local at
    at=$(awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts)
    [ -n "$at" ] || die "no cgroup v2 hierarchy is mounted"
    at=$at$(awk -F: '$1 == "0" && $2 == "" {print $3}' /proc/self/cgroup)
    echo "${at%/}"
}

# On a hybrid host nspawn mirrors that directory in the v1 hierarchy name=systemd.
drop_cgroup() { # remove a box's cgroups, deepest first
    local dir v1 left=0
    dir=$(cat "$(box "$1")/cgroup" 2>/dev/null) && [ -n "$dir" ] || return 0
    v1=$(awk '$3 == "cgroup" && $4 ~ /(^|,)name=systemd(,|$)/ {print $2; exit}' /proc/mounts)
    for dir in "$dir" ${v1:+"$v1/miqm-box-$1"}; do
        [ -d "$dir" ] || continue
        find "$dir" -depth -type d -exec rmdir {} \; 2>/dev/null
        [ ! -d "$dir" ] || left=1
    done
    return $left
}

booted() { # booted NAME [EARLY]: up once systemd says so; "degraded" (a failed unit) is up as well
    case $(exec_in "$1" systemctl is-system-running 2>/dev/null) in
    running|degraded) return 0;;
    starting) [ -n "$2" ] && return 0;;
    esac
    recorded "$(box "$1")/nspawn" >/dev/null || die "box $1 ended while booting (see $(box "$1")/console)"
    return 1
}
plug_in() { # plug_in NAME ADDR: link the box to the switch, which is made when missing
    local link pid; pid=$(leader "$1") || return 1
    ip link show "$SWITCH" >/dev/null 2>&1 || ip link add "$SWITCH" type bridge || return 1
    link=$(printf %s "$1" | cksum); link=vb-${link%% *}
    ip link set "$SWITCH" up &&
        ip link add "$link" type veth peer name host0 netns "$pid" &&
        echo "$link" >"$(box "$1")/link" &&
        ip link set "$link" master "$SWITCH" up &&
        nsenter -t "$pid" -n ip addr add "$2" dev host0 &&
        nsenter -t "$pid" -n ip link set host0 up
}
unplug() { # and remove the switch with the last box on it
    [ ! -s "$(box "$1")/link" ] || ip link del "$(cat "$(box "$1")/link")" 2>/dev/null
    rm -f "$(box "$1")/link"
    ls "$CACHE"/boxes/*/link >/dev/null 2>&1 || ip link del "$SWITCH" 2>/dev/null
    return 0
}
find_leader() { # the box's PID 1 is the only child of its nspawn
    local nspawn p
    nspawn=$(recorded "$(box "$1")/nspawn") || die "box $1 does not start: $(tail -3 "$(box "$1")/console")"
    for p in $(pgrep -P "$nspawn"); do
        [ "$(awk '/^NSpid:/ {print $NF}' "/proc/$p/status" 2>/dev/null)" = 1 ] || continue
        record "$p" "$(box "$1")/leader"
        return 0
    done
    return 1
}

up() {
    name=${1:-}                             # not local: the EXIT trap needs it
    local b host addr= netns= keep= early= args=() net=--private-network pid cg
    [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9-]{0,31}$ ]] || die "up: NAME must be letters, digits and -"
    shift; host=$name; b=$(box "$name")
    while [ $# -gt 0 ]; do
        case $1 in
        --keep) keep=1; shift; continue;;
        --early) early=1; shift; continue;;
        --bind|--bind-ro|--hostname|--addr|--netns|--setenv) [ $# -ge 2 ] || die "up: $1 needs a value";;
        *) die "up: unknown option $1";;
        esac
        case $1 in
        --bind|--bind-ro) [ -e "${2%%:*}" ] || die "up: no ${2%%:*} to bind"; args+=("$1=$2");;
        --hostname) host=$2;;
        --addr)     addr=$2;;
        --netns)    netns=$2;;
        --setenv)   args+=("--setenv=$2");;
        esac
        shift 2
    done
    [ -z "$netns" ] || [ -e "/run/netns/$netns" ] || die "up: no network namespace $netns"
    recorded "$b/nspawn" >/dev/null && die "box $name runs already"
    must_be_possible
    [ -e "$TREE/.complete" ] || one_at_a_time build || exit 1
    [ -z "$keep" ] && [ -d "$b" ] && { rm -rf --one-file-system "$b" || exit 1; }
    mkdir -p "$b/upper" "$b/work" "$b/root" || exit 1
    rm -f "$b/leader" "$b/console"
    if [ -n "$netns" ]; then
        exec 9<"/run/netns/$netns"
        net=--network-namespace-path=/proc/self/fd/9
    fi
    cg=$(cgroup2)/miqm-box-$name || exit 1
    mkdir -p "$cg" || exit 1
    echo "$cg" >"$b/cgroup"
    trap 'crash "$name" --keep' EXIT        # a boot that fails leaves only its console log
    TREE=$TREE SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 setsid bash -c '
        echo $$ >"$1/cgroup.procs" && shift && exec unshare -m --propagation private bash -c "$@"' _ \
        "$cg" "$BOX_INIT" _ "$b" -b -M "$name" --hostname="$host" \
        --uuid="$(cat /proc/sys/kernel/random/uuid)" --register=no --keep-unit --console=pipe \
        --resolv-conf=off --timezone=off --link-journal=no --capability=CAP_NET_ADMIN \
        "$net" ${args[@]+"${args[@]}"} </dev/null >"$b/console" 2>&1 &
    pid=$!
    disown
    [ -n "$netns" ] && exec 9<&-
    record "$pid" "$b/nspawn"
    wait_for "$TIMEOUT" find_leader "$name" || die "box $name has no PID 1 after $TIMEOUT s"
    [ -z "$addr" ] || one_at_a_time plug_in "$name" "$addr" || die "cannot plug box $name in"
    wait_for "$TIMEOUT" booted "$name" "$early" ||
        die "box $name is not up after $TIMEOUT s: $(exec_in "$name" systemctl list-jobs --no-legend | head -5)"
    trap - EXIT
}

# In a cgroup of the box, beside those of its units: it is frozen and ends with the box.
exec_in() {
    local pid cg; pid=$(leader "$1") || die "box $1 does not run"
    cg=$(cat "$(box "$1")/cgroup")/payload/shell
    shift
    { mkdir -p "$cg" && echo "$BASHPID" >"$cg/cgroup.procs"; } 2>/dev/null ||
        die "the box does not take another process"
    exec nsenter -t "$pid" -m -u -i -n -p -C -r -w -- /usr/bin/env -i \
        PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 TERM="${TERM:-dumb}" "$@"
}

gone() { ! recorded "$1" >/dev/null; }

# All of a box is gone once its PID 1 is: then its nspawn ends too.
tidy() { # tidy NAME [--keep]
    local b; b=$(box "$1")
    [ -e "$b/link" ] && one_at_a_time unplug "$1"
    rm -f "$b/leader" "$b/nspawn"
    wait_for 5 drop_cgroup "$1" || note "cgroup $(cat "$b/cgroup") is still in use"
    [ "${2:-}" = --keep ] || rm -rf --one-file-system "$b"
    return 0
}

crash() {
    local b cg p i; b=$(box "$1")
    [ -d "$b" ] || die "no box $1"
    cg=$(cat "$b/cgroup" 2>/dev/null)
    for i in 1 2 3 4 5; do      # again, in case nspawn was just about to start its child
        [ -n "$cg" ] && [ -d "$cg" ] || break
        # All of the box is in its cgroup.  Before Linux 5.14: one by one.
        if [ -e "$cg/cgroup.kill" ]; then echo 1 >"$cg/cgroup.kill"
        else for p in $(find "$cg" -name cgroup.procs -exec cat {} +); do kill -9 "$p"; done; fi
        wait_for 1 drop_cgroup "$1" && break
    done
    wait_for 5 gone "$b/nspawn"
    tidy "$@"
}

down() {
    local b pid; b=$(box "$1")
    [ -d "$b" ] || die "no box $1"
    # SIGRTMIN+4 asks a systemd PID 1 to power off
    pid=$(leader "$1") && kill -s RTMIN+4 "$pid"
    wait_for "$TIMEOUT" gone "$b/nspawn" || { note "box $1 does not shut down, pulling the plug"; crash "$@"; return; }
    tidy "$@"
}

freezer() { # freezer NAME 0|1: stop or continue every process of the box at once
    leader "$1" >/dev/null || die "box $1 does not run"
    echo "$2" >"$(cat "$(box "$1")/cgroup")/payload/cgroup.freeze"
}

list() {
    local d n
    for d in "$CACHE"/boxes/*/; do
        n=$(basename "$d")
        [ -d "$d" ] && leader "$n" >/dev/null && echo "$n"
    done
    return 0
}

verb=${1:-}; [ $# -gt 0 ] && shift
case $verb in
exec|unit|shell|wait|down|crash|freeze|thaw|pid) [ -n "${1:-}" ] || die "$verb: which box?";;
esac
case $verb in
possible) possible;;
build)  one_at_a_time build;;
up)     up "$@";;
exec)   [ $# -ge 2 ] || die "exec NAME CMD..."; exec_in "$@";;
unit)   [ $# -ge 2 ] || die "unit NAME CMD..."; n=$1; shift
        exec_in "$n" systemd-run --quiet --collect --wait --pipe "$@";;
shell)  exec_in "$1" /bin/bash -l;;
wait)   until gone "$(box "$1")/nspawn"; do sleep 0.2; done;;
down)   down "$@";;
crash)  crash "$@";;
freeze) freezer "$1" 1;;
thaw)   freezer "$1" 0;;
pid)    leader "$1";;
list)   list;;
clean)  for n in $(ls "$CACHE/boxes" 2>/dev/null); do crash "$n"; done
        rm -rf --one-file-system "$CACHE"/tree-* "$CACHE/boxes" "$CACHE/debs"
        rm -f "$CACHE"/*.log "$CACHE/lock"; rmdir "$CACHE" 2>/dev/null || :;;
''|-h|--help|help) sed -n '2,/^set -u/{/^set -u/d;s/^# \{0,1\}//;p}' "$0";;
*)      die "unknown verb $verb (try help)";;
esac
