#!/bin/sh
# Installs what pip cannot: `venv` for the virtual environment, `servers` for the tests' databases. As root on Debian
# or Ubuntu through apt, otherwise it says exactly what to install. Does nothing where all is there.
set -eu

python=${PYTHON:-python3}
missing="" wanted=""

has() { PATH="$PATH:/usr/sbin:/usr/local/sbin:/usr/libexec" command -v "$1" >/dev/null 2>&1; }

want_venv() {
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        found=$(command -v "$python" >/dev/null 2>&1 && "$python" --version || echo "not there")
        echo "Python 3.11 or newer is needed; '$python' is $found." >&2
        echo "Install it, or name another: make PYTHON=/path/to/python3.12 ..." >&2
        exit 1
    fi
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing="$missing python3-venv"
}

want_servers() {
    if ! has mariadbd || ! has mariadb-install-db; then missing="$missing mariadb-server"; fi
    set -- /usr/lib/postgresql/*/bin/initdb /usr/pgsql-*/bin/initdb
    if ! has initdb && [ ! -x "$1" ] && [ ! -x "$2" ]; then missing="$missing postgresql"; fi
    if ! has pgbouncer; then missing="$missing pgbouncer"; fi
    # What shows that the units' confinement leaves the agent able to work.
    if ! has bwrap; then missing="$missing bubblewrap"; fi
    if ! has systemd-analyze; then missing="$missing systemd"; fi
    # What tries the alerts out. Where it cannot be had two tests are skipped, and all others are worth running.
    if ! has promtool; then wanted="$wanted prometheus"; fi
}

for what in "${@:-servers}"; do
    case "$what" in
        venv) want_venv ;;
        servers) want_servers ;;
        *) echo "usage: $0 [venv] [servers]" >&2; exit 2 ;;
    esac
done

[ -n "$missing$wanted" ] || exit 0

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    [ -n "$missing" ] || exit 0
    echo "Missing on this machine:$missing (names of Debian packages)." >&2
    echo "Install them and run make again; on Debian or Ubuntu: sudo apt-get install$missing" >&2
    exit 1
fi

# The tests start private servers of their own: the packages' services must not start.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086 # a list of package names
if [ -n "$missing" ]; then
    echo "Installing$missing through apt ..."
    apt-get install -y -qq --no-install-recommends $missing >/dev/null 2>&1 || {
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends $missing >/dev/null
    }
fi
# shellcheck disable=SC2086
[ -z "$wanted" ] || apt-get install -y -qq --no-install-recommends -o Acquire::Retries=0 -o Acquire::http::Timeout=10 \
    $wanted >/dev/null 2>&1 || echo "Without$wanted (a package of Debian) a few tests are skipped."
