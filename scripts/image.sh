#!/bin/sh
# Builds the image with whatever there is: docker, podman or buildah (no daemon needed).
#
#   sh scripts/image.sh                   from python:3.11-slim of the configured registry
#   sh scripts/image.sh --debootstrap     from a base made here of Debian's packages: where no registry can be reached.
#                                         Python's packages come as this machine's pip fetches them: its index, its proxy
#
#   --tag NAME     what the image is called (rewards-sidecar)
#   --base IMAGE   another base
#   --wheels DIR   take Python's packages from here and ask no index
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
tag=rewards-sidecar base="" wheels="" bootstrap=""
while [ $# -gt 0 ]; do
    case "$1" in
        --tag) tag=$2; shift ;;
        --base) base=$2; shift ;;
        --wheels) wheels=$2; shift ;;
        --debootstrap) bootstrap=yes ;;
        *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '/^set/d' >&2; exit 2 ;;
    esac
    shift
done

for tool in docker podman buildah ""; do
    [ -n "$tool" ] || { echo "docker, podman or buildah is needed: apt-get install buildah" >&2; exit 1; }
    if command -v "$tool" >/dev/null 2>&1 && "$tool" info >/dev/null 2>&1; then break; fi # docker needs its daemon
done

build() { # the rest are arguments of the build
    case "$tool" in
        buildah) buildah bud --isolation chroot --format docker "$@" ;;
        *) "$tool" build "$@" ;;
    esac
}

# Python's packages for the base that is made here, each checked against its hash; a build has none of this machine's settings.
fetched_wheels() {
    python3 -m venv "$work/pip"
    "$work/pip/bin/python" -m pip --disable-pip-version-check --no-input --quiet download --python-version 3.11 \
        --only-binary :all: --require-hashes --requirement "$here/requirements.run.lock" --dest "$work/wheels"
    wheels=$work/wheels
}

# A Debian with Python and nothing else: one that can make virtual environments, and one that only runs them.
made_base() {
    suite=bookworm
    mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
    for kind in run build; do
        packages=python3,ca-certificates
        [ "$kind" = run ] || packages=$packages,python3-venv
        debootstrap --variant=minbase --include="$packages" "$suite" "$work/$kind" "$mirror" >"$work/$kind.log" ||
            { tail -n 5 "$work/$kind.log" >&2; exit 1; }
        rm -rf "$work/$kind"/var/cache/apt/* "$work/$kind"/var/lib/apt/lists/* "$work/$kind"/var/log/*
        rm -rf "$work/$kind"/usr/share/doc/* "$work/$kind"/usr/share/man/* "$work/$kind"/usr/share/locale/*
        mkdir "$work/$kind.context"
        tar -C "$work/$kind" -cf "$work/$kind.context/base.tar" .
        rm -rf "${work:?}/$kind"
        printf 'FROM scratch\nADD base.tar /\n' >"$work/$kind.context/Dockerfile"
        build -t "localhost/rewards-base-$kind" "$work/$kind.context"
        rm -rf "$work/$kind.context"
    done
}

set -- -t "$tag"
if [ -n "$bootstrap" ]; then
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    [ -n "$wheels" ] || fetched_wheels
    made_base
    set -- "$@" --build-arg BASE=localhost/rewards-base-run --build-arg BUILD=localhost/rewards-base-build
elif [ -n "$base" ]; then
    set -- "$@" --build-arg "BASE=$base"
fi
if [ -n "$wheels" ]; then
    set -- "$@" --build-context "wheels=$(cd "$wheels" && pwd)" --build-arg PIP_NO_INDEX=1 --build-arg PIP_FIND_LINKS=/wheels
fi
build "$@" "$here"
