#!/usr/bin/env bash
# install-rabbitmq4.sh DIR: makes DIR a folder that rabbitmq4.ts can start RabbitMQ 4.0.5 in: Debian trixie's packages, for a
# Debian whose own RabbitMQ is older. Needs root, and about a minute. Does nothing where it has been done already.
set -euo pipefail

[[ $# -eq 1 && $1 == /* ]] || {
  echo "usage: ${0##*/} DIR (absolute)" >&2
  exit 2
}
root=$1
server=usr/lib/rabbitmq/bin/rabbitmq-server
if [[ -x $root/$server ]]; then exit 0; fi

export DEBIAN_FRONTEND=noninteractive
if ! command -v debootstrap >/dev/null; then
  apt-get update -q
  apt-get install -qy --no-install-recommends debootstrap
fi

# Built under another name: what was interrupted does not pass for complete.
building=$root.building
# What debootstrap mounts, it unmounts at its end; where it is cut short, removing the folder must not reach through.
tidy() {
  umount -lq "$building/proc" "$building/sys" 2>/dev/null || true
  rm -rf --one-file-system "$building"
}
trap tidy EXIT
tidy
mkdir -p "$(dirname "$root")"
debootstrap --variant=minbase trixie "$building"

# Installing it must not start it.
printf '#!/bin/sh\nexit 101\n' >"$building/usr/sbin/policy-rc.d"
chmod +x "$building/usr/sbin/policy-rc.d"
chroot "$building" apt-get install -qy --no-install-recommends rabbitmq-server
chroot "$building" apt-get clean
rm -rf "$building"/var/lib/apt/lists/*
[[ -x $building/$server ]] || {
  echo "expected $server in Debian's package rabbitmq-server, found none" >&2
  exit 1
}
rm -rf --one-file-system "$root"
mv "$building" "$root"
