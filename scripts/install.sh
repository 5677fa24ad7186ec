#!/bin/sh
# Make .venv with everything from requirements.lock, and this project in it.
#
#   scripts/install.sh            what the program needs
#   scripts/install.sh --tests    and the servers that the tests talk to
#
# Takes no time when nothing changed. Installs Debian packages only where it may without asking
# (root, or sudo without a password); elsewhere it names the one command to type.
# PYTHON=/path/to/python chooses the interpreter.
set -eu
cd "$(dirname "$0")/.."

VENV=.venv
IMAP_SERVER=/usr/lib/dovecot/imap
DATABASE_SERVERS=/usr/lib/postgresql
RED='' BOLD='' PLAIN=''
if [ -t 2 ]; then RED=$(printf '\033[31m') BOLD=$(printf '\033[1m') PLAIN=$(printf '\033[0m'); fi

say() { printf '%s\n' "${BOLD}$*${PLAIN}" >&2; }
stop() { printf '%s\n' "${RED}$*${PLAIN}" >&2; exit 1; }

# Print a Python's own path and its version, if it is one that the program runs on.
describe() {
    "$1" -c 'import os, sys
v = sys.version_info
if not (3, 11) <= v[:2] <= (3, 13): sys.exit(1)
print(os.path.realpath(sys.executable), "%d.%d" % v[:2])' 2>/dev/null
}

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        describe "$PYTHON" || stop "PYTHON=$PYTHON is not a Python 3.11, 3.12 or 3.13."
        return
    fi
    for candidate in python3 python3.13 python3.12 python3.11; do
        describe "$candidate" && return
    done
    stop "Python 3.11, 3.12 or 3.13 is needed and none was found ($(python3 --version 2>&1 || true)).
On Debian 12 or 13:  apt-get install python3
Elsewhere, name one: make PYTHON=/path/to/python3.12 …"
}

# Print the Debian packages that are missing, the indispensable one first.
missing_packages() {
    up_to_date || "$python" -c 'import ensurepip, venv' 2>/dev/null || case $python in
        /usr/bin/*) printf 'python%s-venv ' "$version" ;;
        *) stop "$python has no venv module. Use a complete Python: make PYTHON=/path/to/python3" ;;
    esac
    [ "$with_tests" = yes ] || return 0
    [ -e "$IMAP_SERVER" ] || printf 'dovecot-imapd '
    set -- "$DATABASE_SERVERS"/*/bin/initdb
    [ -e "$1" ] || printf 'postgresql '
}

up_to_date() { [ "$(cat "$VENV/packages.stamp" 2>/dev/null)" = "$wanted_packages" ]; }

# Print how this user becomes root without being asked for a password; fail if there is no way.
as_root() {
    if [ "$(id -u)" = 0 ]; then echo env
    elif sudo -n true 2>/dev/null; then echo 'sudo -n env'
    else return 1; fi
}

# What to type where we may not install: with sudo if there is one.
command_to_type() {
    command="apt-get update && apt-get install -y --no-install-recommends $1"
    if command -v sudo >/dev/null; then echo "sudo sh -c '$command'"; else echo "su - -c '$command'"; fi
}

install_packages() {
    say "Installing from Debian: $1"
    # A server is here for the tests only: 101 forbids the package to start it, disabling it keeps
    # it from the next boot, and no database is made for it.
    # shellcheck disable=SC2086
    $root DEBIAN_FRONTEND=noninteractive sh -c '
        set -eu
        policy=/usr/sbin/policy-rc.d
        if [ ! -e $policy ]; then
            trap "rm -f $policy" EXIT
            printf "#!/bin/sh\nexit 101\n" >$policy
            chmod 755 $policy
        fi
        case " $* " in
            *" postgresql "*)
                settings=/etc/postgresql-common/createcluster.conf
                mkdir -p "${settings%/*}"
                [ -e $settings ] || echo "create_main_cluster = false" >$settings ;;
        esac
        apt-get -qq -o DPkg::Lock::Timeout=300 update
        apt-get -qq -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"
        case " $* " in
            *" dovecot-imapd "*) systemctl disable dovecot.service dovecot.socket || true ;;
        esac >/dev/null 2>&1' sh $1 >&2 </dev/null
}

prepare_system() {
    missing=$(missing_packages)
    missing=${missing% }
    [ -n "$missing" ] || return 0
    if command -v apt-get >/dev/null && root=$(as_root); then
        install_packages "$missing" && return 0
        say "Debian's packages could not be installed; see above."
    fi
    case $missing in
        python*) stop "These are missing: $missing
Type this once, then the same make command again:

    $(command_to_type "$missing")
" ;;
        *) say "Tests that talk to a real server will be skipped, for want of: $missing
To have them too:  $(command_to_type "$missing")" ;;
    esac
}

# run_pip HOW_MANY ARGUMENTS…: run pip with a line of progress instead of its hundreds; its own words lie in the log.
run_pip() {
    log=$VENV/install.log packages=$1
    shift
    # PIP_USER=0: a setting for people's own installs would make an environment refuse.
    # --compile: byte code is wanted even under PYTHONDONTWRITEBYTECODE, it halves the start-up.
    { PIP_USER=0 "$VENV/bin/python" -m pip install --no-deps --compile --no-input \
        --disable-pip-version-check --progress-bar off "$@" 2>&1 && echo 'pip: done' || echo 'pip: failed'; } \
        | tee -a "$log" \
        | awk -v all="$packages" -v tty="$([ -t 2 ] && echo 1 || echo 0)" '
            /^ *(Collecting|Processing) / {
                n++; name = $2; sub(".*/", "", name)
                if (tty) printf "\r\033[K  %d of %d  %s", n, all, name
                else if (n % 20 == 0) print "  " n " of " all
            }
            /^Installing collected/ { if (tty) printf "\r\033[K"; print "  putting them in place" }
            { fflush() }' >&2
    tail -n 1 "$log" | grep -q '^pip: done$' || { tail -n 25 "$log" >&2; stop "pip failed; all of it: $log"; }
}

with_tests=no
[ "${1:-}" != --tests ] || with_tests=yes

chosen=$(choose_python)
python=${chosen% *} version=${chosen##* }
wanted_packages="$python $version $(pwd -P) $(cksum <requirements.lock)"
wanted_project=$(cksum <pyproject.toml)

prepare_system
if ! up_to_date; then
    say "Making $VENV with Python $version (once; about a minute)"
    rm -rf "$VENV"
    "$python" -m venv "$VENV"
    run_pip "$(grep -c == requirements.lock)" --require-hashes --only-binary :all: -r requirements.lock
    printf '%s\n' "$wanted_packages" >"$VENV/packages.stamp"
fi
if [ "$(cat "$VENV/project.stamp" 2>/dev/null)" != "$wanted_project" ]; then
    say "Putting the project itself into $VENV"
    run_pip 1 --no-build-isolation --no-index --editable .
    "$VENV/bin/python" -m compileall -q intake || true
    printf '%s\n' "$wanted_project" >"$VENV/project.stamp"
fi
