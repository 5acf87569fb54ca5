#!/usr/bin/env bash
# A Docker engine for the tests: start | stop | status; and the database servers that no wheel brings: servers.
#
# `start` does nothing where an engine answers. Otherwise, on Debian as root, it installs what is missing and runs
# dockerd detached from the calling shell. `stop` ends only the dockerd that `start` ran: the one whose pid, start time
# and boot it wrote down. What the packages left on disk (images, volumes) stays.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

state="${TMPDIR:-/tmp}/devenv-engine.$(id -u)"
log="$state/log"
ready_deadline_s=60
stop_deadline_s=40

say() { printf 'engine: %s\n' "$*" >&2; }
die() {
  printf 'engine: error: %s\n' "$*" >&2
  exit 1
}

answers() { command -v docker >/dev/null && docker info >/dev/null 2>&1 </dev/null; }
has_plugins() { docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1; }
is_debian() { [ -r /etc/debian_version ] && grep -qxE 'ID="?debian"?' /etc/os-release; }
start_time_of() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
boot_id() { cat /proc/sys/kernel/random/boot_id; }

require_debian_root() {
  is_debian || die "$1, and this script can only provide it on Debian: start Docker yourself, then run this again."
  [ "$(id -u)" = 0 ] || die "$1, and providing it needs root: start Docker yourself, or run this again as root."
}

# The two commands of apt that change something. Another apt at work is waited for, and a failed one says why.
apt_get() {
  apt-get -qq -y --no-install-recommends -o DPkg::Lock::Timeout=180 -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@" \
    </dev/null >>"$log" 2>&1
}
update_lists() { # option...
  local try
  for try in 1 2 3; do
    apt_get "$@" update && return
    sleep "$try" # the lists have a lock without a time-out
  done
  tail -n 20 "$log" >&2
  die "cannot read the package lists of this machine; the end of $log is above."
}
install_packages() { # package... [-- option...]
  local -a packages=()
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    packages+=("$1")
    shift
  done
  [ $# = 0 ] || shift
  say "installing ${packages[*]}"
  apt_get "$@" install "${packages[@]}" && return
  update_lists "$@" # an old list names files that the mirror no longer has
  apt_get "$@" install "${packages[@]}" && return
  tail -n 20 "$log" >&2
  die "cannot install ${packages[*]}; the end of $log is above."
}
has_candidate() { [ -n "$(apt-cache policy "$1" 2>/dev/null | sed -n '/Candidate: (none)/d; s/^ *Candidate: //p')" ]; }

install_engine() {
  has_candidate docker.io || update_lists
  install_packages docker.io
}

# Compose v2 and Buildx came to Debian with trixie; on bookworm they are taken from there, with lists of their own, so
# that nothing else of this machine can be upgraded by accident.
install_plugins() {
  local codename mirror lists keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  has_candidate docker.io || update_lists
  if has_candidate docker-buildx; then
    install_packages docker-compose docker-buildx
    return
  fi
  codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
  [ "$codename" = bookworm ] || die "Debian $codename has no docker-buildx: install Docker Compose v2 and Buildx yourself."
  mirror=$(apt-get indextargets --format "\$(REPO_URI)" 'Created-By: Packages' \
    'Origin: Debian' 'Label: Debian' "Codename: $codename" 'Component: main' | head -n 1)
  [ -n "$mirror" ] || die "the apt sources of this machine name no Debian mirror for $codename."
  lists="${XDG_CACHE_HOME:-$HOME/.cache}/devenv-tests/next-suite"
  mkdir -p "$lists/lists/partial"
  printf 'deb [signed-by=%s] %s trixie main\n' "$keyring" "$mirror" >"$lists/sources.list"
  local -a only_next=(-o "Dir::Etc::SourceList=$lists/sources.list" -o Dir::Etc::SourceParts=/dev/null
    -o "Dir::State::Lists=$lists/lists" -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
  [ -n "$(compgen -G "$lists/lists/*Packages*")" ] || update_lists "${only_next[@]}"
  install_packages docker-compose docker-buildx -- "${only_next[@]}"
}

# Prints the pid of the dockerd that `start` ran, if it is still that very process.
own_pid() {
  local pid started boot
  [ -r "$state/dockerd" ] || return 1
  read -r pid started boot <"$state/dockerd" || return 1
  [ "$boot" = "$(boot_id)" ] && [ -n "$started" ] && [ "$(start_time_of "$pid")" = "$started" ] && echo "$pid"
}

run_dockerd() {
  local pid
  cut -d' ' -f2 /proc/self/mounts | sort >"$state/mounts"
  # Its own session, no descriptor of the caller: it outlives the shell, and nobody waits for a pipe that it holds.
  env -u DEVENV_STACK -u MAKEFLAGS -u MFLAGS setsid dockerd </dev/null >>"$log" 2>&1 9>&- &
  pid=$!
  disown "$pid"
  printf '%s %s %s\n' "$pid" "$(start_time_of "$pid")" "$(boot_id)" >"$state/dockerd"
  wait_until_answering "$pid"
}

wait_until_answering() { # pid
  local began=$SECONDS
  until answers; do
    if ! own_pid >/dev/null; then
      tail -n 15 "$log" >&2
      die "dockerd ended before it answered; the end of $log is above."
    fi
    if [ $((SECONDS - began)) -ge $ready_deadline_s ]; then
      tail -n 15 "$log" >&2
      end_dockerd "$1"
      die "dockerd did not answer within $ready_deadline_s s and was ended; the end of $log is above."
    fi
    sleep 0.05
  done
}

# MariaDB, for the sql probe; PostgreSQL and Valkey come as wheels with the extra `embedded`.
has_servers() { command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null && command -v mariadb-dump >/dev/null; }
servers() {
  require_debian_root "MariaDB's server or mariadb-dump is missing"
  install_packages mariadb-server-core mariadb-client-core mariadb-client
}

is_complete() { answers && has_plugins; }

start() {
  ! is_complete || return 0 # another start came first
  if answers; then
    require_debian_root "Docker's compose or buildx plugin is missing"
    install_plugins
    return
  fi
  require_debian_root "no Docker engine answers"
  if [ -n "${DOCKER_HOST:-}" ]; then die "DOCKER_HOST is $DOCKER_HOST, where no engine answers: unset it, or start that one."; fi
  if ! command -v dockerd >/dev/null || ! command -v docker >/dev/null; then install_engine; fi
  has_plugins || install_plugins
  answers && return # a machine with an init system starts the service with the package: that one is not ours
  run_dockerd
  say "started, pid $(own_pid), log $log"
}

end_dockerd() { # pid
  local containerd="" began=$SECONDS
  containerd=$(cat /run/docker/containerd/containerd.pid 2>/dev/null) || true
  kill -TERM "$1" || true # stops the containers, then its containerd
  while own_pid >/dev/null && [ $((SECONDS - began)) -lt $stop_deadline_s ]; do sleep 0.05; done
  if own_pid >/dev/null; then
    say "pid $1 is deaf to TERM after $stop_deadline_s s: KILL"
    [ -z "$containerd" ] || [ "$(sed 's/.*) //' "/proc/$containerd/stat" 2>/dev/null | cut -d' ' -f2)" != "$1" ] ||
      kill -KILL "$containerd" 2>/dev/null || true
    kill -KILL "$1" 2>/dev/null || true
  fi
}

# A dockerd that ends well leaves no mount; one that had to be killed may. Only those that were not there before.
unmount_leftovers() {
  local target
  cut -d' ' -f2 /proc/self/mounts | sort | comm -13 "$state/mounts" - | sort -r |
    grep -E '^(/var/lib/docker|/var/run/docker|/run/docker)/' | while read -r target; do
    umount -l "$target" && say "unmounted $target"
  done || true
}

stop() {
  local pid
  if pid=$(own_pid); then
    end_dockerd "$pid"
    unmount_leftovers
    say "stopped, pid $pid"
  fi
  rm -rf "$state"
}

status() {
  local pid
  answers || { echo "no engine answers" && return 1; }
  if pid=$(own_pid); then echo "running, started by this script, pid $pid, log $log"; else echo "running, not started by this script"; fi
}

# One start or stop at a time, by a lock on the folder that `stop` removes. /tmp is everybody's: the folder must be ours.
with_lock() {
  [ -e "$state" ] || mkdir -m 700 "$state" || [ -e "$state" ]
  if [ ! -O "$state" ] || [ -L "$state" ]; then die "$state is not ours: remove it."; fi
  if command -v flock >/dev/null; then
    exec 9<"$state"
    flock -w 300 9 || die "another start or stop has been at work for 300 s."
    if [ ! /dev/fd/9 -ef "$state" ]; then
      with_lock "$@"
      return
    fi
  fi
  "$@"
}

case "${1:-}" in
  start) is_complete || with_lock start ;;
  stop) [ ! -e "$state" ] || with_lock stop ;;
  status) status ;;
  servers) has_servers || with_lock servers ;;
  *) die "usage: ${0##*/} start|stop|status|servers" ;;
esac
