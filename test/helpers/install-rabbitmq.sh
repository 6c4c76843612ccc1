#!/usr/bin/env bash
# install-rabbitmq.sh RELEASE DIR: makes DIR a folder that rabbitmq.ts can start the RabbitMQ of another Debian release in, for a
# Debian whose own is older: trixie has RabbitMQ 4.0.5, forky 4.3. Needs root, and one to two minutes. Does nothing where it has
# been done already.
set -euo pipefail

[[ $# -eq 2 && $1 =~ ^[a-z]+$ && $2 == /* ]] || {
  echo "usage: ${0##*/} RELEASE DIR (absolute)" >&2
  exit 2
}
release=$1 root=$2
mirror=http://deb.debian.org/debian
server=usr/lib/rabbitmq/bin/rabbitmq-server
# RabbitMQ looks up the node's host there, and not every release brings the file along.
copy_hosts() { [[ -e $1/etc/hosts ]] || cp /etc/hosts "$1/etc/hosts"; }

if [[ -x $root/$server ]]; then
  copy_hosts "$root"
  exit 0
fi

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
# An older debootstrap has no script of a newer release's name. All of Debian's are alike: sid's will do.
script=$release
[[ -e /usr/share/debootstrap/scripts/$release ]] || script=sid
debootstrap --variant=minbase "$release" "$building" "$mirror" "$script"
copy_hosts "$building"

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
