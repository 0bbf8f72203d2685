#!/bin/sh
# Installs, upgrades and removes the agent and the catalogue on a machine with systemd. As root; may be run again.
#
#   sh scripts/install.sh                    install this checkout, or upgrade to it
#   sh scripts/install.sh campus NAME        room for one more campus: its account, its directory, its instance
#   sh scripts/install.sh uninstall          remove the programs; configuration, ledgers and backups stay
#   sh scripts/install.sh uninstall --purge  those too: says what goes, and asks
#
#   --prefix DIR   where the programs go (where they are; /opt/rewards)
#   --wheels DIR   take packages from here and ask no index: for machines without the internet; hashes are checked alike
#   --venv DIR     use this virtual environment instead of making one
#                  (both also from the environment: REWARDS_WHEELS, REWARDS_VENV)
#   --root DIR     put everything below DIR and start nothing: for making images
#   --yes          do not ask
set -eu
umask 022 # the services' accounts read what root puts here, however strict root's own umask is

here=$(cd "$(dirname "$0")/.." && pwd)
prefix="" root="" wheels=${REWARDS_WHEELS:-} venv=${REWARDS_VENV:-} purge="" yes="" action=install campus=""
python=${PYTHON:-python3}
units="rewards-agent.service rewards-agent@.service rewards-agent-backup.service rewards-agent-backup@.service
rewards-agent-backup.timer rewards-agent-backup@.timer rewards-catalogue.service rewards-catalogue-backup.service
rewards-catalogue-backup.timer"

say() { printf '%s\n' "$@"; }
fail() { printf '%s\n' "$*" >&2; exit "${code:-1}"; }
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '/^set/d'; }

while [ $# -gt 0 ]; do
    case "$1" in
        install | uninstall) action=$1 ;;
        campus) action=campus campus=${2:-}; [ $# -lt 2 ] || shift ;;
        --prefix | --wheels | --venv | --root)
            [ -n "${2:-}" ] || { code=2 fail "$1 needs a directory"; }
            eval "${1#--}=\$2"; shift ;;
        --purge) purge=yes ;;
        --yes) yes=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; code=2 fail "unknown word: $1" ;;
    esac
    shift
done

[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || code=2 fail "Run this as root: sudo sh $0 $action"

if [ -n "$root" ]; then
    root=$(cd "$root" && pwd) || exit 2
    [ "$root" != / ] || root=/. # also the whole of a machine: nothing is started
fi
if [ -z "$prefix" ]; then # where the programs are, wherever somebody wanted them
    prefix=$(readlink "$root/usr/local/bin/rewards-agent" || true)
    prefix=${prefix%/bin/rewards-agent}
    [ -L "$root$prefix/current" ] || prefix=/opt/rewards
fi
prefix=${prefix%/}
case "$prefix" in /?*) ;; *) code=2 fail "--prefix is a path from / on, and not / itself" ;; esac
unfinished=$root$prefix/.unfinished

live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }
systemctl_() { if live; then systemctl "$@"; fi; }

alone() { # two at once would each take away what the other makes
    exec 9<"$root$prefix"
    flock -n 9 || fail "Another installation is at work in $root$prefix. Wait for its end, then run this again."
}

# ---- what is changed

# Before anything changes that a service notices: who comes after an end in the middle finds what was current before,
# and that services wait to be restarted.
begin() { [ -e "$unfinished" ] || readlink "$root$prefix/current" >"$unfinished" || true; }

put() { # a file's place, and what is to stand in it: whole, or what was there before
    if say "$2" | cmp -s - "$1"; then return; fi
    begin
    mkdir -p "$(dirname "$1")"
    say "$2" >"$1.new"
    mv -T "$1.new" "$1"
    say "written  $1"
}

linked() { # where it is, what it leads to
    [ "$(readlink "$1" || true)" != "$2" ] || return 0
    begin
    mkdir -p "$(dirname "$1")"
    ln -sfn "$2" "$1.new"
    mv -T "$1.new" "$1"
    say "linked   $1 -> $2"
}

# An account's number or a group's, also in an image that is being made.
number_of() { awk -F: -v name="$2" '$1 == name { print $3 }' "$root/etc/$1"; }

directory_of() { # account, directory, mode: one that is there stays as somebody made it
    directory=$root$2
    if [ -n "$root" ]; then
        user=$(number_of passwd "$1") group=$(number_of group "$1")
    else
        user=$(id -u "$1") group=$1
    fi
    if [ -d "$directory" ]; then
        owner=$(stat -c %u "$directory")
        case "$owner:$2" in
            "$user":* | 0:/etc/*) ;;
            *) say "foreign  $directory belongs to $(stat -c %U "$directory") ($owner), not to $1: chown -R $1: $2" ;;
        esac
        return
    fi
    mkdir -p "$(dirname "$directory")"
    install -d -m "$3" -o "$user" -g "$group" "$directory.new"
    mv -T "$directory.new" "$directory"
    say "made     $directory"
}

accounts() { if [ -n "$root" ]; then systemd-sysusers --root="$root"; else systemd-sysusers; fi; }

# ---- install

ready() { # what is missing is told before anything is made
    command -v systemd-sysusers >/dev/null ||
        fail "systemd-sysusers is not here: this is for machines with systemd. For others: docs/ops/install.md."
    for needed in "$prefix" /etc/systemd/system /usr/lib/sysusers.d /usr/local/bin /var/lib; do
        while [ ! -d "$root$needed" ]; do needed=$(dirname "$needed"); done
        touch -a "$root$needed" || fail "Nothing was changed: $root$needed cannot be written."
    done
}

release() { # what this checkout is: its version and a digest of everything that is installed
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/pyproject.toml")
    digest=$(cd "$here" && find agent catalogue machine wire pyproject.toml requirements.run.lock config.example.toml \
        rules.example.toml -type f ! -name '*.pyc' -print | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-12)
    printf '%s-%s' "$version" "$digest"
}

# One whose Python went with an upgrade of the machine has every file and cannot start.
works() { [ -e "$1/.whole" ] && "$1/bin/python" -I -c 'import agent.cli.app, catalogue.cli.app' 2>/dev/null; }

programs() { # a virtual environment of its own for each release; one that is whole and works is not made again
    place=$root$prefix/versions/$1
    if works "$place"; then say "there    $place"; return; fi
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or newer is needed; '$python' is not. Name another: PYTHON=/path/to/python3.12 sh $0"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Install the package python3-venv, then run this again."
    # Beside what is made, not in /tmp: that may be small, and nobody would find what an end in the middle left there.
    work=$root$prefix/.work half=$place
    trap 'rm -rf "$work" ${half:+"$half"}' EXIT
    trap 'exit 130' HUP INT TERM
    [ "$(readlink "$root$prefix/current" || true)" != "versions/$1" ] || begin
    rm -rf "$place" "$work"
    mkdir -p "$work/tmp"
    say "making   $place"
    hint="Without the internet: --wheels DIR (docs/ops/install.md)."
    [ -z "$wheels" ] || hint="Of $wheels nothing is taken that has not the hash in requirements.run.lock."
    filled "$place" || fail "Nothing that runs was changed. Cure what is told above, then run this again. $hint"
    chmod -R go+rX "$place"
    sync -f "$place" # after a power cut a release that is whole has all that is in its files
    touch "$place/.whole"
    half=""
}

filled() ( # a new virtual environment, with what the lock names and this checkout
    export TMPDIR="$work/tmp"
    pip="$work/pip/bin/python -m pip --disable-pip-version-check --no-input --quiet"
    # A build leaves files behind: not in the checkout. Wheels from a directory too are taken for their hashes alone.
    # shellcheck disable=SC2086 # a command and its words
    "$python" -m venv "$work/pip" &&
        $pip download ${wheels:+--no-index --find-links "$wheels"} --only-binary :all: --require-hashes \
            --requirement "$here/requirements.run.lock" --dest "$work/wheels" &&
        mkdir "$work/source" && cd "$here" &&
        cp -r agent catalogue machine wire pyproject.toml README.md LICENSE ./*.example.toml "$work/source" &&
        "$python" -m venv --without-pip "$1" &&
        $pip --isolated --python "$1/bin/python" install --no-index --find-links "$work/wheels" \
            "$work/source[catalogue]" &&
        # In an image they stand where its own root is.
        { [ -z "$root" ] || find "$1/bin" -type f -exec sed -i "s|$root$prefix/|$prefix/|g" {} +; }
)

at_work() { # which of these units run, or should and failed; what somebody stopped is not among them
    if live; then
        systemctl list-units --plain --no-legend --state=active,activating,reloading,failed "$@" | cut -d ' ' -f 1
    fi
}

as_catalogue() { # a program and its words, as the service's account with the service's secrets, also while it is down
    secrets=$(systemctl cat rewards-catalogue.service | sed -n 's/^LoadCredential/--property=&/p')
    # shellcheck disable=SC2086 # a list of words
    systemd-run --quiet --pipe --wait --collect --uid=rewards-catalogue $secrets \
        "$@" --config /etc/rewards-catalogue/catalogue.toml
}

# Where a catalogue is at work whose database the newer release calls outdated, the release before makes a copy of it:
# the newer one reads only its own.
copied() { # the newer release's place, and what `current` is to lead to
    outdated=""
    [ -n "$(at_work rewards-catalogue.service)" ] || return 0
    why=$(as_catalogue "$1/bin/rewards-catalogue" tenant list 2>&1 >/dev/null) || true
    case "$why" in *"this program needs"*) outdated=yes ;; *) return 0 ;; esac
    [ "$(readlink "$prefix/current")" != "$2" ] || return 0
    say "copying  the catalogue's database: systemctl start rewards-catalogue-backup"
    systemctl start rewards-catalogue-backup.service ||
        fail "There is no copy of the catalogue's database, so nothing was changed." \
            "See journalctl -u rewards-catalogue-backup, mend that, then run this again."
}

restarted() { # what is at work goes on by the new release; the agents first, for they do not depend on the catalogue
    systemctl_ daemon-reload
    down=""
    for unit in $(at_work rewards-agent.service 'rewards-agent@*.service'); do
        systemctl restart "$unit" || down="$down $unit"
    done
    if [ -n "$outdated" ]; then
        say "upgrade  the catalogue's database: rewards-catalogue init"
        as_catalogue "$prefix/bin/rewards-catalogue" init ||
            fail "The catalogue is not yet served by this release. Mend what stands above, then run this again."
    fi
    for unit in $(at_work rewards-catalogue.service); do
        systemctl restart "$unit" || down="$down $unit"
    done
    [ -z "$down" ] || fail "This release is installed, and does not run:$down. See journalctl -u with that name," \
        "mend it, then run this again."
}

tidied() { # the release before this one stays, for a way back; older ones go, now that nothing runs by them
    begin
    before=$(cat "$unfinished") now=$(readlink "$root$prefix/current")
    rm -f "$unfinished"
    [ "$before" != "$now" ] || return 0
    for old in "$root$prefix"/versions/*; do
        case "$old" in "$root$prefix/$now" | "$root$prefix/$before" | "$now" | "$before") ;; *) rm -rf "$old" ;; esac
    done
}

install_() {
    ready
    mkdir -p "$root$prefix/versions"
    alone
    if [ -n "$venv" ]; then
        [ -x "$venv/bin/rewards-agent" ] || fail "$venv has no bin/rewards-agent"
        target=$(cd "$venv" && pwd)
        copied "$target" "$target"
    else
        target=versions/$(release)
        programs "${target#versions/}"
        copied "$prefix/$target" "$target"
    fi
    linked "$root$prefix/current" "$target"
    linked "$root$prefix/bin" current/bin
    for program in rewards-agent rewards-catalogue; do
        linked "$root/usr/local/bin/$program" "$prefix/bin/$program"
    done
    put "$root/usr/lib/sysusers.d/rewards.conf" "$(cat "$here/systemd/rewards.sysusers")"
    accounts
    for unit in $units; do
        put "$root/etc/systemd/system/$unit" "$(sed "s|=/opt/rewards/|=$prefix/|" "$here/systemd/$unit")"
    done
    for account in rewards-agent rewards-catalogue; do # what they write too: commands are typed before a first start
        directory_of "$account" "/etc/$account" 750
        directory_of "$account" "/var/lib/$account" 700
    done
    if [ -n "$outdated" ] || [ -e "$unfinished" ]; then
        restarted
        tidied
    else
        say "nothing to do: this release is installed"
    fi
    [ -f "$root/etc/rewards-agent/config.toml" ] || \
        next_steps rewards-agent /etc/rewards-agent rewards-agent rewards-agent-backup.timer
}

next_steps() { # account, directory, unit, its nightly backup
    say "" "Next, for the agent:"
    say "  1. cd $2 && rewards-agent init --dir $2 && chown -R $1: $2"
    say "  2. runuser -u $1 -- rewards-agent doctor --config $2/config.toml"
    say "  3. systemctl enable --now $3 $4 && journalctl -fu $3"
}

# ---- one more campus

campus_() {
    case "$campus" in
        "" | *[!a-z0-9-]* | [!a-z]* | ???????????????*)
            code=2 fail "A campus is named by 1 to 14 small letters, digits and -, beginning with a letter: '$campus'" ;;
    esac
    [ -f "$root/etc/systemd/system/rewards-agent@.service" ] || fail "Install the programs first: sh $0"
    account=rewards-agent-$campus
    file=$root/usr/lib/sysusers.d/$account.conf
    line="u $account - \"Rewards agent of $campus\" /var/lib/rewards-agents/$campus"
    [ -s "$file" ] || { mkdir -p "$(dirname "$file")"; say "$line" >"$file"; say "written  $file"; }
    accounts
    directory_of "$account" "/etc/rewards-agents/$campus" 750
    directory_of "$account" "/var/lib/rewards-agents/$campus" 700
    next_steps "$account" "/etc/rewards-agents/$campus" "rewards-agent@$campus" "rewards-agent-backup@$campus.timer"
}

# ---- uninstall

uninstall_() {
    if [ -n "$purge" ] && [ -z "$yes" ]; then
        say "This removes for good: /etc/rewards-*, /var/lib/rewards-*, /var/backups/rewards-*, drop-ins of our units and" \
            "the services' accounts: every ledger, key and backup."
        printf 'Type the word purge to go on: '
        read -r answer || answer=""
        [ "$answer" = purge ] || fail "Nothing was removed."
    fi
    [ ! -d "$root$prefix" ] || alone
    if live; then
        running=$(systemctl list-units --all --plain --no-legend 'rewards-agent*' 'rewards-catalogue*' |
            awk '{ print $1 }')
        # shellcheck disable=SC2086 # a list of units
        [ -z "$running" ] || systemctl disable --now $running 2>/dev/null || systemctl stop $running
    fi
    for unit in $units; do rm -f "$root/etc/systemd/system/$unit"; done
    # What `enable` left of units that are gone.
    find "$root/etc/systemd/system" -path '*.wants/rewards-*' -xtype l -delete 2>/dev/null || true
    systemctl_ daemon-reload
    # Ours alone, for others' files may stand beside them; at last the links, which tell where the rest is.
    rm -rf "$root$prefix/versions" "$root$prefix/.work" "$unfinished"
    for link in "$root$prefix/bin" "$root$prefix/current" "$root/usr/local/bin/rewards-catalogue" \
        "$root/usr/local/bin/rewards-agent"; do
        if [ -L "$link" ]; then rm "$link"; fi
    done
    rmdir "$root$prefix" 2>/dev/null || true
    if [ -z "$purge" ]; then
        say "The programs are gone. Configuration, ledgers and backups stay: /etc/rewards-*, /var/lib/rewards-*," \
            "/var/backups/rewards-*."
        return
    fi
    purged
}

purged() {
    elsewhere=$(find "$root/etc" -path '*/rewards-*/*.toml' -exec sed -n 's/^ *data_dir *= *"\(\/.*\)".*/\1/p' {} + |
        sed '/^\/var\/lib\/rewards-/d' | sort -u)
    for name in rewards-agent rewards-agents rewards-catalogue; do
        rm -rf "$root/etc/${name:?}" "$root/var/lib/$name" "$root/var/backups/$name"
    done
    rm -rf "$root"/etc/systemd/system/rewards-agent*.d "$root"/etc/systemd/system/rewards-catalogue*.d
    for file in "$root"/usr/lib/sysusers.d/rewards.conf "$root"/usr/lib/sysusers.d/rewards-agent-*.conf; do
        [ -f "$file" ] || continue
        awk '/^u / { print $2 }' "$file" | while read -r account; do
            if [ -n "$root" ] || ! id "$account" >/dev/null 2>&1; then continue; fi
            userdel "$account" || fail "The account $account is still there. Cure that, then run this again."
        done
        rm -f "$file"
    done
    [ -z "$elsewhere" ] || say "These stay, where data_dir led: $elsewhere"
    say "Everything${elsewhere:+ else} is gone."
}

case "$action" in
    install) install_ ;;
    campus) campus_ ;;
    uninstall) uninstall_ ;;
esac
