#!/bin/sh
# Installs q2d2-call as a system service on Raspberry Pi OS, Debian or Ubuntu, 64-bit.
#
#   sudo apps/pi/install.sh [options]        again: update; the configuration stays as it is
#   sudo apps/pi/install.sh --uninstall      remove all but /etc/q2d2
#   sudo apps/pi/install.sh --purge          remove /etc/q2d2, too
#
# options:
#   --package WHAT    what pip installs (default: the checkout that this script lies in)
#   --extras LIST     its extras, for example tflite,call (default: tflite)
#   --gpio            for push_to_talk: gpiozero and the system's lgpio
#   --no-start        do not start the service
set -eu

home=/opt/q2d2
venv=$home/venv
config=/etc/q2d2
unit=/etc/systemd/system/q2d2-call.service
user=q2d2
here=$(dirname "$(realpath "$0")")

package=$(realpath "$here/../..")
extras=tflite
gpio=no
start=yes
action=install

fail() {
    echo "install.sh: $1" >&2
    exit 1
}

has_systemd() {
    [ -d /run/systemd/system ]
}

while [ $# -gt 0 ]; do
    case $1 in
        --package) [ $# -gt 1 ] || fail "--package needs a value"; package=$2; shift ;;
        --extras) [ $# -gt 1 ] || fail "--extras needs a value"; extras=$2; shift ;;
        --gpio) gpio=yes ;;
        --no-start) start=no ;;
        --uninstall) action=uninstall ;;
        --purge) action=purge ;;
        -h | --help) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) fail "there is no option $1; see --help" ;;
    esac
    shift
done

[ "$(id -u)" -eq 0 ] || fail "installing needs root: run sudo $0"

if [ $action != install ]; then
    if has_systemd; then
        systemctl disable --now q2d2-call.service 2>/dev/null || true
    fi
    rm -rf "$unit" "$home"
    if has_systemd; then systemctl daemon-reload; fi
    if [ $action = purge ]; then rm -rf "$config"; fi
    # Last: the files in /etc/q2d2 would otherwise be left to whoever gets the number next.
    if [ -d "$config" ]; then chown -R root:root "$config"; fi
    if getent passwd $user >/dev/null; then userdel $user; fi
    echo "q2d2-call is removed"
    [ ! -d "$config" ] || echo "$config is kept; --purge removes it, too"
    exit 0
fi

# A 64-bit kernel with 32-bit programs is common on older images, so uname alone does not tell.
case $(uname -m)-$(getconf LONG_BIT) in
    aarch64-64 | x86_64-64) ;;
    *-32) fail "this system is 32-bit, and the inference engines exist for 64-bit only: \
install the 64-bit Raspberry Pi OS" ;;
    *) fail "this processor is a $(uname -m), expected aarch64 or x86_64" ;;
esac
command -v apt-get >/dev/null || fail "apt-get is missing, expected Raspberry Pi OS, Debian or Ubuntu"

export DEBIAN_FRONTEND=noninteractive
needed="python3 python3-venv libportaudio2"
if [ $gpio = yes ]; then
    needed="$needed python3-lgpio"
    extras=${extras:+$extras,}pi
fi
# shellcheck disable=SC2086
if ! dpkg-query --show --showformat='${db:Status-Abbrev}\n' $needed 2>/dev/null |
    awk '!/^ii/ { bad = 1 } END { exit bad || NR == 0 }'; then
    apt-get update -q
    # shellcheck disable=SC2086
    apt-get install -q --yes --no-install-recommends $needed
fi
/usr/bin/python3 -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' ||
    fail "the system's Python is $(/usr/bin/python3 -V), expected 3.11 to 3.13: \
use Raspberry Pi OS bookworm or trixie"

if ! getent passwd $user >/dev/null; then
    useradd --system --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin $user
fi
for group in audio gpio; do
    if getent group $group >/dev/null; then usermod --append --groups $group $user; fi
done

# lgpio has no wheel for every Python, so the system's is let in; all else comes from the venv.
system=
[ $gpio = no ] || system=--system-site-packages
mkdir -p $home
# shellcheck disable=SC2086
/usr/bin/python3 -m venv $system $venv
$venv/bin/pip install --quiet --upgrade pip
if [ -d "$package" ]; then
    # From a copy, so that root leaves nothing in the checkout.
    copy=$(mktemp -d)
    trap 'rm -rf "$copy"' EXIT
    cp -r "$package/pyproject.toml" "$package/README.md" "$package/LICENSE" \
        "$package/q2d2_stream" "$copy"
    package=$copy
fi
# By force: a new build of the same version must replace the old one. Its dependencies stay.
$venv/bin/pip install --quiet "$package${extras:+[$extras]}"
$venv/bin/pip install --quiet --no-deps --force-reinstall "$package"

mkdir -p $config
[ -e $config/q2d2.toml ] || install -m 644 "$here/q2d2.toml" $config/q2d2.toml
if [ ! -e $config/secret ]; then
    (umask 077 && /usr/bin/python3 -c 'import secrets; print(secrets.token_urlsafe())' \
        >$config/secret)
fi
chown $user:$user $config/secret
chmod 600 $config/secret

install -m 644 "$here/q2d2-call.service" $unit
if has_systemd; then
    systemctl daemon-reload
    systemctl enable --quiet q2d2-call.service
    if [ $start = yes ]; then systemctl restart q2d2-call.service; fi
fi

cat <<END
q2d2-call is installed.
  configuration  $config/q2d2.toml
  secret         $config/secret: copy it to the other side
  check          sudo -u $user $venv/bin/q2d2-doctor --config $config/q2d2.toml
  restart        sudo systemctl restart q2d2-call
  watch          journalctl -fu q2d2-call
END
