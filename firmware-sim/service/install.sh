#!/bin/sh
# Sets the device agent up as a system service. Safe to run again: it changes what differs, restarts the service only then, and never touches
# an image or settings that are there.
#
#   install.sh --image FILE          copy this flash image to /var/lib/zerotouch-device
#   install.sh --image /dev/NAME     boot from this partition or MTD block device (mtdblock0)
#     --tpm /dev/tpmrm0              give the service the TPM
#     --replace-image                put FILE in the place of the image that is there: its identity and all that it learned are lost
#     --no-start                     do not start the service now
#   DESTDIR=DIR install.sh ...       write into a tree (an SD card being made) instead of this system; nothing is started
set -eu

fail() { echo "install.sh: $*" >&2; exit 2; }
say() { echo "install.sh: $*"; }
usage() { sed -n '2,10s/^# \{0,1\}//p' "$0"; }

root=${DESTDIR:-}
name=zerotouch-device
image='' tpm='' replace=no start=yes changed=no
while [ $# -gt 0 ]; do
  case $1 in
  --image) [ $# -gt 1 ] || fail '--image needs a file or a device'; image=$2; shift ;;
  --tpm) [ $# -gt 1 ] || fail '--tpm needs a device'; tpm=$2; shift ;;
  --replace-image) replace=yes ;;
  --no-start) start=no ;;
  --help | -h) usage; exit 0 ;;
  *) fail "there is no option $1; see --help" ;;
  esac
  shift
done

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
package=$(dirname -- "$here")
state=$root/var/lib/$name
settings=$root/etc/$name/device.yaml

# Everything is looked at before anything is written.
[ -n "$root" ] || [ "$(id -u)" -eq 0 ] || fail 'must be run as root: sudo'
node=${NODE:-$(command -v node || true)}
[ -n "$node" ] || fail 'there is no node; install Node 20.15 or later (of 22: 22.2)'
node=$("$node" -p process.execPath) || fail "$node does not run"
"$node" -e 'process.exit("crc32" in require("node:zlib") ? 0 : 1)' ||
  fail "$node is version $("$node" -v); expected 20.15 or later (of 22: 22.2)"
command=$package/bin/$name.js
[ -f "$command" ] || command=$package/bin/$name.mjs
[ -f "$command" ] || fail "$package holds no command $name; run install.sh where npm put it: \$(npm root -g)/$name/service"
for path in "$node" "$command"; do
  case $path in
  *' '* | *'%'* | *'$'*) fail "$path: systemd takes no such path" ;;
  /home/* | /root/*) [ -n "$root" ] || fail "$path: a service may not look into homes; install Node and $name for the whole system" ;;
  esac
done
version=$("$node" "$command" --version) || fail "$command does not run"
case $image in
'') [ -f "$settings" ] || fail 'which image? see --help' ;;
/dev/*) [ -n "$root" ] || [ -b "$image" ] || [ -c "$image" ] || fail "$image is no device" ;;
*) [ -f "$image" ] || fail "$image: there is no such file" ;;
esac

# put MODE FILE: stdin becomes the file, unless it already is.
put() {
  mkdir -p "$(dirname -- "$2")"
  (umask 077; cat >"$2.new")
  chmod "$1" "$2.new"
  if cmp -s "$2.new" "$2"; then
    rm "$2.new"
  else
    mv "$2.new" "$2"
    changed=yes
    say "written: $2"
  fi
}

# drop FILE: it is not to be there.
drop() {
  [ -e "$1" ] || return 0
  rm "$1"
  changed=yes
  say "removed: $1"
}

own() { [ -n "$root" ] || chown "$@"; }

put 644 "$root/usr/lib/sysusers.d/$name.conf" <<EOF
u $name - "Device that finds its Azure IoT hub" /var/lib/$name
EOF
[ -n "$root" ] || systemd-sysusers "$name.conf"

mkdir -p "$state"
chmod 700 "$state"
own "$name:$name" "$state"
at=/var/lib/$name/image.bin
case $image in
'') ;;
/dev/*) at=$image ;;
*)
  if [ -f "$state/image.bin" ] && [ $replace = no ]; then
    say "kept: $state/image.bin, with all that the device learned (--replace-image puts $image in its place)"
  else
    if [ -z "$root" ] && [ -f "$state/image.bin" ]; then systemctl stop $name; fi
    for end in bin efuse; do
      from=$image
      [ $end = bin ] || from=${image%.*}.efuse
      rm -f "$state/image.$end"
      [ -f "$from" ] || continue
      (umask 077; cp -- "$from" "$state/image.$end.new")
      own "$name:$name" "$state/image.$end.new"
      mv "$state/image.$end.new" "$state/image.$end"
    done
    changed=yes
    say "copied: $image to $state/image.bin"
  fi
  ;;
esac

if [ -f "$settings" ]; then
  say "kept: $settings"
  [ -z "$image" ] || grep -q "^image: *$at *\$" "$settings" || say "but it does not say image: $at"
else
  sed "s|@IMAGE@|$at|" "$here/device.yaml" | put 644 "$settings"
  [ -z "$tpm" ] || echo "tpm: $tpm" >>"$settings"
fi

sed -e "s|@NODE@|$node|" -e "s|@COMMAND@|$command|" -e "s|@VERSION@|$version|" "$here/$name.service" |
  put 644 "$root/etc/systemd/system/$name.service"

# Devices: none, but those that were named. Left as it is when this run names none, for then it is not known what was named before.
extra=$root/etc/systemd/system/$name.service.d/devices.conf
rules=$root/etc/udev/rules.d/70-$name.rules
case $image in /dev/*) disk=$image ;; *) disk='' ;; esac
if [ -n "$disk$tpm" ]; then
  {
    echo '[Service]'
    echo 'PrivateDevices=no'
    echo 'DevicePolicy=closed'
    for device in $disk $tpm; do echo "DeviceAllow=$device rw"; done
  } | put 644 "$extra"
  for device in $disk $tpm; do
    echo "KERNEL==\"${device#/dev/}\", GROUP=\"$name\", MODE=\"0660\""
  done | put 644 "$rules"
  if [ -z "$root" ]; then
    udevadm control --reload
    for device in $disk $tpm; do udevadm trigger --settle --name-match="$device"; done
  fi
elif [ -n "$image" ]; then
  drop "$extra"
  drop "$rules"
fi

if [ -n "$root" ]; then
  mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
  ln -sfn "../$name.service" "$root/etc/systemd/system/multi-user.target.wants/$name.service"
  say "done: $name $version is in $root"
  exit 0
fi
systemctl daemon-reload
systemctl enable --quiet "$name"
if [ $start = no ]; then
  say "done: $name $version; start it with: systemctl start $name"
elif [ $changed = yes ] || ! systemctl is-active --quiet "$name"; then
  systemctl restart "$name"
  say "done: $name $version runs; ask it with: sudo $name health"
else
  say "done: nothing to change, $name $version runs"
fi
