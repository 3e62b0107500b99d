#!/bin/sh
# Removes the service that install.sh set up. Safe to run again. The image, which is the device's identity, and the settings stay, but with --purge.
#
#   uninstall.sh [--purge]
#   DESTDIR=DIR uninstall.sh [--purge]
set -eu

fail() { echo "uninstall.sh: $*" >&2; exit 2; }

root=${DESTDIR:-}
name=zerotouch-device
purge=no
while [ $# -gt 0 ]; do
  case $1 in
  --purge) purge=yes ;;
  --help | -h) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) fail "there is no option $1; see --help" ;;
  esac
  shift
done
[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || fail 'must be run as root: sudo'

units=$root/etc/systemd/system
if [ -z "$root" ] && [ -f "$units/$name.service" ]; then systemctl disable --quiet --now "$name"; fi
rm -f "$units/multi-user.target.wants/$name.service" "$units/$name.service" "$units/$name.service.d/devices.conf" \
  "$root/etc/udev/rules.d/70-$name.rules" "$root/usr/lib/sysusers.d/$name.conf"
# What somebody added to the folder stays.
rmdir "$units/$name.service.d" 2>/dev/null || true
[ -n "$root" ] || systemctl daemon-reload
if [ $purge = yes ]; then
  rm -rf "$root/var/lib/${name:?}" "$root/etc/${name:?}"
  if [ -z "$root" ] && id "$name" >/dev/null 2>&1; then userdel "$name"; fi
  echo "uninstall.sh: done: the image and the settings are gone, too"
else
  echo "uninstall.sh: done; /var/lib/$name and /etc/$name are still there"
fi
