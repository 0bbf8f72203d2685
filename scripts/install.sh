#!/bin/sh
# Installs, upgrades and removes the agent and the catalogue on a machine with systemd. As root; may be run again.
#
#   sh scripts/install.sh                    install this checkout, or upgrade to it
#   sh scripts/install.sh campus NAME        room for one more campus: its account, its directory, its instance
#   sh scripts/install.sh uninstall          remove the programs; configuration, ledgers and backups stay
#   sh scripts/install.sh uninstall --purge  those too: says what goes, and asks
#
#   --prefix DIR   where the programs go (/opt/rewards)
#   --wheels DIR   take packages from here and ask no index: for machines without the internet
#   --venv DIR     use this virtual environment instead of making one
#                  (both also from the environment: REWARDS_WHEELS, REWARDS_VENV)
#   --root DIR     put everything below DIR and start nothing: for making images
#   --yes          do not ask
set -eu
umask 022 # the services' accounts read what root puts here, however strict root's own umask is

here=$(cd "$(dirname "$0")/.." && pwd)
prefix=/opt/rewards root="" wheels=${REWARDS_WHEELS:-} venv=${REWARDS_VENV:-} purge="" yes="" action=install campus=""
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
            [ $# -ge 2 ] || { code=2 fail "$1 needs a directory"; }
            eval "${1#--}=\$2"; shift ;;
        --purge) purge=yes ;;
        --yes) yes=yes ;;
        -h | --help) usage; exit 0 ;;
        *) usage >&2; code=2 fail "unknown word: $1" ;;
    esac
    shift
done

[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || code=2 fail "Run this as root: sudo sh $0 $action"

live() { [ -z "$root" ] && [ -d /run/systemd/system ]; }
systemctl_() { if live; then systemctl "$@"; fi; }

# What is at work has to be started anew. A file says so until that is done, for a script that is run again.
due() { : >"$root$prefix/.due"; }

# Put a file in its place.
put() {
    if [ -f "$2" ] && cmp -s "$1" "$2"; then return; fi
    due
    install -D -m 644 "$1" "$2"
    say "written  $2"
}

# An account's number, also in an image that is being made.
number_of() { awk -F: -v name="$1" '$1 == name { print $3 }' "$root/etc/passwd"; }

directory_of() { # account, directory, mode
    [ -d "$root$2" ] || say "made     $root$2"
    install -d -m "$3" "$root$2"
    chown "$(number_of "$1"):$(number_of "$1")" "$root$2"
}

accounts() { if [ -n "$root" ]; then systemd-sysusers --root="$root"; else systemd-sysusers; fi; }

# ---- install

release() { # what this checkout is: its version and a digest of everything that is installed
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$here/pyproject.toml")
    digest=$(cd "$here" && find agent catalogue machine wire pyproject.toml requirements.run.lock config.example.toml \
        rules.example.toml -type f ! -name '*.pyc' -print | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-12)
    printf '%s-%s' "$version" "$digest"
}

programs() { # a virtual environment of its own for each release; one that is whole is not made again
    place=$root$prefix/versions/$1
    [ ! -e "$place/.whole" ] || { say "there    $place"; return; }
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null ||
        fail "Python 3.11 or newer is needed; '$python' is not. Name another: PYTHON=/path/to/python3.12 sh $0"
    "$python" -c 'import ensurepip, venv' 2>/dev/null || fail "Install the package python3-venv, then run this again."
    rm -rf "$place"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    say "making   $place"
    unchanged="Nothing that runs was changed. Cure what is told above, then run this again."
    "$python" -m venv "$work/pip"
    pip="$work/pip/bin/python -m pip --disable-pip-version-check --no-input --quiet"
    found=$wheels
    if [ -z "$found" ]; then
        found=$work/wheels
        $pip download --only-binary :all: --require-hashes --requirement "$here/requirements.run.lock" --dest "$found" ||
            fail "$unchanged Without the internet: --wheels DIR (docs/ops/install.md)."
    fi
    mkdir "$work/source" # a build leaves files behind: not in the checkout
    (cd "$here" && cp -r agent catalogue machine wire pyproject.toml README.md LICENSE ./*.example.toml "$work/source")
    "$python" -m venv --without-pip "$place"
    # Only the versions that the lock names; what was downloaded was checked against its hashes.
    constraints >"$work/constraints"
    $pip --python "$place/bin/python" install --no-index --find-links "$found" \
        --constraint "$work/constraints" "$work/source[catalogue]" || fail "$unchanged"
    touch "$place/.whole"
}

constraints() { # the lock without its hashes: an installation takes these versions and no others
    sed -n 's/^\([a-z0-9._-]*\)\(\[[a-z,]*\]\)\{0,1\}==\([^ ]*\).*/\1==\3/p' "$here/requirements.run.lock"
}

switch() { # the new release takes over at once or not at all
    target=$1
    link=$root$prefix/current
    before=$(readlink "$link" 2>/dev/null || true)
    [ "$before" != "$target" ] || return 0
    due
    ln -s "$target" "$link.new"
    mv -T "$link.new" "$link"
    [ -L "$root$prefix/bin" ] || ln -s current/bin "$root$prefix/bin"
    for program in rewards-agent rewards-catalogue; do
        mkdir -p "$root/usr/local/bin"
        ln -sfn "$prefix/bin/$program" "$root/usr/local/bin/$program"
    done
    say "current  $link -> $target"
    # The release before this one stays, for a way back; older ones go.
    for old in "$root$prefix"/versions/*; do
        case "$old" in "$root$prefix/$target" | "$root$prefix/$before" | "$target" | "$before") ;; *) rm -rf "$old" ;; esac
    done
}

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
    rm -f "$root$prefix/.due"
}

install_() {
    mkdir -p "$root$prefix/versions"
    if [ -n "$venv" ]; then
        [ -x "$venv/bin/rewards-agent" ] || fail "$venv has no bin/rewards-agent"
        target=$(cd "$venv" && pwd)
        copied "$target" "$target"
        switch "$target"
    else
        name=$(release)
        programs "$name"
        copied "$prefix/versions/$name" "versions/$name"
        switch "versions/$name"
        chmod -R go+rX "$root$prefix"
    fi
    put "$here/systemd/rewards.sysusers" "$root/usr/lib/sysusers.d/rewards.conf"
    accounts
    for unit in $units; do
        put "$here/systemd/$unit" "$root/etc/systemd/system/$unit"
    done
    for account in rewards-agent rewards-catalogue; do # what they write too: commands are typed before a first start
        directory_of "$account" "/etc/$account" 750
        directory_of "$account" "/var/lib/$account" 700
    done
    if [ -n "$outdated" ] || [ -e "$root$prefix/.due" ]; then
        restarted
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
    account=rewards-agent-$campus
    file=$root/usr/lib/sysusers.d/$account.conf
    line="u $account - \"Rewards agent of $campus\" /var/lib/rewards-agents/$campus"
    mkdir -p "$(dirname "$file")"
    [ -f "$file" ] || { say "$line" >"$file"; say "written  $file"; }
    accounts
    install -d -m 755 "$root/etc/rewards-agents" "$root/var/lib/rewards-agents"
    directory_of "$account" "/etc/rewards-agents/$campus" 750
    directory_of "$account" "/var/lib/rewards-agents/$campus" 700
    next_steps "$account" "/etc/rewards-agents/$campus" "rewards-agent@$campus" "rewards-agent-backup@$campus.timer"
}

# ---- uninstall

uninstall_() {
    if [ -n "$purge" ] && [ -z "$yes" ]; then
        say "This removes for good: /etc/rewards-*, /var/lib/rewards-*, /var/backups/rewards-*: every ledger, key and backup."
        printf 'Type the word purge to go on: '
        read -r answer || answer=""
        [ "$answer" = purge ] || fail "Nothing was removed."
    fi
    if live; then
        running=$(systemctl list-units --all --plain --no-legend 'rewards-agent*' 'rewards-catalogue*' | awk '{ print $1 }')
        # shellcheck disable=SC2086 # a list of units
        [ -z "$running" ] || systemctl disable --now $running 2>/dev/null || systemctl stop $running
    fi
    for unit in $units; do rm -f "$root/etc/systemd/system/$unit"; done
    rm -f "$root/usr/local/bin/rewards-agent" "$root/usr/local/bin/rewards-catalogue"
    case "$prefix" in /?*) rm -rf "$root$prefix" ;; esac
    systemctl_ daemon-reload
    if [ -z "$purge" ]; then
        say "The programs are gone. Configuration, ledgers and backups stay: /etc/rewards-*, /var/lib/rewards-*, /var/backups/rewards-*."
        return
    fi
    rm -rf "$root"/etc/rewards-agent "$root"/etc/rewards-agents "$root"/etc/rewards-catalogue
    rm -rf "$root"/var/lib/rewards-agent "$root"/var/lib/rewards-agents "$root"/var/lib/rewards-catalogue
    rm -rf "$root"/var/backups/rewards-agent "$root"/var/backups/rewards-agents "$root"/var/backups/rewards-catalogue
    for file in "$root"/usr/lib/sysusers.d/rewards.conf "$root"/usr/lib/sysusers.d/rewards-agent-*.conf; do
        [ -f "$file" ] || continue
        for account in $(awk '/^u / { print $2 }' "$file"); do
            [ -n "$root" ] || userdel "$account" 2>/dev/null || say "the account $account could not be removed"
        done
        rm -f "$file"
    done
    say "Everything is gone."
}

case "$action" in
    install) install_ ;;
    campus) campus_ ;;
    uninstall) uninstall_ ;;
esac
