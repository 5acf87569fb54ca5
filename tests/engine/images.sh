#!/usr/bin/env bash
# The images of the tests, made without any image registry: needs an engine that answers, and Debian 12's packages.
#
#   fixture/busybox      httpd on 80; its init ignores SIGTERM, as a PID 1 without a handler does
#   fixture/web:health   the same with a health check every second
#   fixture/postgres:15  the environment contract of the usual image; a ready-made cluster, so no initdb at first start
#   fixture/redis:7
#   fixture/pyweb        Python 3.11 with a JSON server on $PORT (8000), ready after $BOOT_DELAY seconds
#
# How: apt resolves the closure of a package against an EMPTY dpkg status, so that the result does not depend on what
# this machine has; the .debs are unpacked (no maintainer script, nothing is installed here), pruned, `docker import`ed.
# Each image carries the hash of this file: one that has it is left alone. The .debs are cached.
# Usage: images.sh [NAME...]
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive LC_ALL=C PATH="$PATH:/usr/sbin:/sbin"

cache="${XDG_CACHE_HOME:-$HOME/.cache}/devenv-tests"
label=devenv.fixture.recipe
all=(busybox web:health redis:7 pyweb postgres:15)
recipe=$(cksum <"${BASH_SOURCE[0]}" | cut -d' ' -f1)
work=""

say() { printf 'images: %s\n' "$*" >&2; }
die() {
  printf 'images: error: %s\n' "$*" >&2
  exit 1
}

missing_images() { # name... -> those that are absent or were made by another version of this file
  local -A present=()
  local tag
  while read -r tag; do present[$tag]=1; done < <(docker images --filter "label=$label=$recipe" --format '{{.Repository}}:{{.Tag}}')
  for tag in "$@"; do
    case "$tag" in *:*) ;; *) tag=$tag:latest ;; esac
    [ -n "${present[fixture/$tag]:-}" ] || echo "${tag%:latest}"
  done
}

list_closure() { # package... -> NAME=VERSION of all it needs, less what a small image can do without
  apt-get -qq -s --no-install-recommends -o Dir::State::status=/dev/null -o APT::Sandbox::User=root \
    -o Debug::NoLocking=1 install "$@" | awk '/^Inst /{gsub(/[()]/,""); print $2 "=" $3}' |
    grep -vE '^(perl|perl-base|perl-modules-[0-9.]+|libperl5\.[0-9]+|libgdbm[^=]*|postgresql-common|postgresql-client-common|debconf|ucf|sensible-utils|ssl-cert|adduser|passwd|login|dpkg|tar|e2fsprogs|logsave|lsb-base|init-system-helpers|sysvinit-utils|procps|media-types|libllvm[0-9]+|libz3-4|gcc-12-base|openssl|locales|libc-l10n|libicu-dev|mount|util-linux[^=]*|netbase)='
}

# NAME_VERSION_ARCH.deb, the version's colon escaped
deb_of() {
  local file="${1%%=*}_${1#*=}_"
  compgen -G "$cache/debs/${file//:/%3a}*.deb"
}

download() { # name=version...
  local package
  local -a absent=()
  for package in "$@"; do deb_of "$package" >/dev/null || absent+=("$package"); done
  [ ${#absent[@]} -gt 0 ] || return 0
  mkdir -p "$work/debs" # moved when whole: a cut-off download must not be taken for a package
  (cd "$work/debs" && apt-get -qq -o APT::Sandbox::User=root -o Acquire::Retries=3 download "${absent[@]}" </dev/null)
  mv "$work"/debs/*.deb "$cache/debs/"
}

unpack() { # root package...
  local root=$1 dir package applet closure
  shift
  # Debian is merged-usr: the links come first, so that every .deb lands under /usr.
  mkdir -p "$root"/usr/{bin,sbin,lib,lib64} "$root"/{tmp,etc,run,var/lib,proc,dev,sys}
  chmod 1777 "$root/tmp"
  for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$root/$dir"; done
  ln -s ../run "$root/var/run"
  closure=$(list_closure "$@")
  # shellcheck disable=SC2086 # one word a package
  download $closure
  for package in $closure; do dpkg-deb --fsys-tarfile "$(deb_of "$package" | head -n 1)"; done |
    tar -C "$root" -xi --keep-directory-symlink \
      --exclude './usr/share/doc/*' --exclude './usr/share/man/*' --exclude './usr/share/locale/*' \
      --exclude './usr/share/info/*' --exclude './usr/share/lintian/*' --exclude './usr/share/bug/*' \
      --exclude './usr/lib/postgresql/*/lib/bitcode/*' --exclude './usr/lib/postgresql/*/lib/llvmjit*' \
      --exclude './usr/share/postgresql/*/man/*' --exclude './usr/lib/*/gconv/*' \
      --exclude './usr/share/zoneinfo/right/*' --exclude './usr/share/zoneinfo/posix/*' \
      --exclude './lib/systemd/*' --exclude './usr/lib/systemd/*'
  # busybox stands in only where the closure brought no real tool
  for applet in $("$root/usr/bin/busybox" --list); do
    [ -e "$root/usr/bin/$applet" ] || [ -e "$root/usr/sbin/$applet" ] || ln -s busybox "$root/usr/bin/$applet"
  done
  cat >"$root/etc/passwd" <<'S'
root:x:0:0::/root:/bin/sh
postgres:x:999:999::/var/lib/postgresql:/bin/sh
redis:x:998:998::/data:/bin/sh
nobody:x:65534:65534::/:/bin/false
S
  printf 'root:x:0:\npostgres:x:999:\nredis:x:998:\nnogroup:x:65534:\n' >"$root/etc/group"
  printf 'hosts: files dns\n' >"$root/etc/nsswitch.conf"
  ldconfig -r "$root" 2>/dev/null || true
}

import_root() { # root tag change...
  local root=$1 tag=$2 change
  local -a changes=(-c "LABEL $label=$recipe")
  shift 2
  for change in "$@"; do changes+=(-c "$change"); done
  tar -C "$root" --sort=name --mtime=@0 --numeric-owner -c . | docker import "${changes[@]}" - "fixture/$tag" >/dev/null
}

# What `docker import` has no word for. The old builder needs no plugin and takes a Dockerfile from stdin.
derive() { # tag (Dockerfile on stdin)
  DOCKER_BUILDKIT=0 docker build -q --label "$label=$recipe" -t "fixture/$1" - >/dev/null 2>"$work/build.log" ||
    die "cannot build fixture/$1: $(cat "$work/build.log")"
}

build_busybox() {
  local root=$work/busybox
  unpack "$root" busybox-static
  rm -rf "${root:?}"/usr/lib/*-linux-gnu "${root:?}/usr/share"
  mkdir -p "$root/www"
  echo ok >"$root/www/index.html"
  import_root "$root" busybox 'CMD ["/bin/httpd","-f","-p","80","-h","/www"]' 'EXPOSE 80'
}

build_web:health() {
  derive web:health <<'S'
FROM fixture/busybox
HEALTHCHECK --interval=1s --timeout=2s --retries=3 CMD wget -q -O /dev/null http://127.0.0.1/ || exit 1
S
}

build_redis:7() {
  local root=$work/redis
  unpack "$root" redis-server redis-tools busybox-static
  mkdir -p "$root/data"
  import_root "$root" redis:7 'WORKDIR /data' 'CMD ["redis-server","--protected-mode","no","--save",""]' 'EXPOSE 6379'
}

build_pyweb() {
  local root=$work/pyweb
  unpack "$root" python3.11-minimal libpython3.11-stdlib busybox-static
  ln -sf python3.11 "$root/usr/bin/python3"
  mkdir -p "$root/app"
  cat >"$root/app/app.py" <<'S'
"""Answers every GET with JSON, after $BOOT_DELAY seconds."""
import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"ok": True, "service": os.environ.get("SERVICE", "pyweb"), "path": self.path}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, template, *values):
        print(template % values, flush=True)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(float(os.environ.get("BOOT_DELAY", "0")))
ThreadingHTTPServer(("", int(os.environ.get("PORT", "8000"))), Answer).serve_forever()
S
  import_root "$root" pyweb 'WORKDIR /app' 'CMD ["python3","-S","/app/app.py"]' 'EXPOSE 8000'
}

build_postgres:15() {
  local root=$work/postgres container
  unpack "$root" postgresql-15 busybox-static libnss-wrapper tzdata
  mkdir -p "$root/var/lib/postgresql/data" "$root/run/postgresql" "$root/docker-entrypoint-initdb.d"
  cat >"$root/usr/bin/docker-entrypoint.sh" <<'S'
#!/bin/sh
set -e
export PATH="/usr/lib/postgresql/15/bin:$PATH"
: "${PGDATA:=/var/lib/postgresql/data}" "${POSTGRES_USER:=postgres}" "${POSTGRES_DB:=$POSTGRES_USER}"
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  chown -R 999:999 "$PGDATA" /run/postgresql
  chmod 700 "$PGDATA"
  exec su postgres -s /bin/sh -c 'exec "$0" "$@"' -- "$0" "$@"
fi
[ "$1" = postgres ] || exec "$@"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  cp -a /usr/share/pg-template/. "$PGDATA"/
  method=trust
  [ -z "$POSTGRES_PASSWORD" ] || method=scram-sha-256
  printf 'local all all trust\nhost all all all %s\n' "$method" >"$PGDATA/pg_hba.conf"
  # Single-user mode: no throw-away server that a probe could mistake for the real one.
  {
    [ "$POSTGRES_USER" = postgres ] || echo "CREATE ROLE \"$POSTGRES_USER\" SUPERUSER LOGIN;"
    [ -z "$POSTGRES_PASSWORD" ] ||
      echo "ALTER ROLE \"$POSTGRES_USER\" PASSWORD '$(printf %s "$POSTGRES_PASSWORD" | sed "s/'/''/g")';"
    [ "$POSTGRES_DB" = postgres ] || echo "CREATE DATABASE \"$POSTGRES_DB\" OWNER \"$POSTGRES_USER\";"
  } | postgres --single -D "$PGDATA" -c fsync=off postgres >/dev/null
  for file in /docker-entrypoint-initdb.d/*.sql; do
    [ -e "$file" ] || continue
    postgres --single -j -D "$PGDATA" -c fsync=off "$POSTGRES_DB" <"$file" >/dev/null
  done
fi
exec "$@" -D "$PGDATA" -c listen_addresses='*'
S
  chmod 755 "$root/usr/bin/docker-entrypoint.sh"
  chown -R 999:999 "$root/var/lib/postgresql" "$root/run/postgresql"
  chmod 700 "$root/var/lib/postgresql/data"
  # The template is made by the initdb of the image itself, in a container that is never part of the result.
  import_root "$root" postgres-bare
  container=$(docker create --user 999 fixture/postgres-bare /usr/lib/postgresql/15/bin/initdb -D /var/lib/postgresql/data \
    -U postgres -A trust --no-sync -E UTF8 --locale=C)
  docker start -a "$container" >"$work/initdb.log" 2>&1 || die "initdb failed: $(cat "$work/initdb.log")"
  mkdir -p "$root/usr/share/pg-template"
  docker cp "$container:/var/lib/postgresql/data/." - | tar -C "$root/usr/share/pg-template" -x
  docker rm "$container" >/dev/null
  docker rmi fixture/postgres-bare >/dev/null
  chown -R 999:999 "$root/usr/share/pg-template"
  import_root "$root" postgres-whole 'ENV PATH=/usr/lib/postgresql/15/bin:/usr/bin:/usr/sbin' \
    'ENV PGDATA=/var/lib/postgresql/data' 'VOLUME /var/lib/postgresql/data' \
    'ENTRYPOINT ["/usr/bin/docker-entrypoint.sh"]' 'CMD ["postgres"]' 'EXPOSE 5432'
  # SIGINT is the fast shutdown; SIGTERM waits until every client has left.
  printf 'FROM fixture/postgres-whole\nSTOPSIGNAL SIGINT\n' | derive postgres:15
  docker rmi fixture/postgres-whole >/dev/null
}

require_host() {
  docker info >/dev/null 2>&1 </dev/null || die "no Docker engine answers: run tests/engine/engine.sh start"
}
has_packages() {
  [ "$(apt-cache policy busybox-static postgresql-15 redis-server python3.11-minimal 2>/dev/null |
    grep Candidate | grep -cvF '(none)')" = 4 ]
}
require_packages() {
  command -v apt-get >/dev/null || die "the fixture images are made of Debian packages, and this machine has no apt-get."
  [ "$(id -u)" = 0 ] || die "unpacking an image with its owners needs root: run this again as root."
  has_packages && return
  apt-get -qq -o Acquire::Retries=3 update </dev/null || true # a list of something else may fail
  has_packages && return
  die "this machine's apt has no postgresql-15 and python3.11: the fixture images need Debian 12 (bookworm)."
}

main() {
  local tag missing
  require_host
  [ $# -gt 0 ] || set -- "${all[@]}"
  missing=$(missing_images "$@")
  [ -n "$missing" ] || return 0
  require_packages
  mkdir -p "$cache/debs"
  if command -v flock >/dev/null; then
    exec 9>"$cache/images.lock" # two builders at once would share .debs that are half there
    flock -w 600 9
    missing=$(missing_images "$@")
  fi
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  for tag in $missing; do
    declare -F "build_$tag" >/dev/null || die "there is no image named $tag; there are: ${all[*]}"
    "build_$tag"
    say "built fixture/$tag, $SECONDS s"
  done
  docker image prune -f --filter "label=$label" >/dev/null # our untagged predecessors
}

main "$@"
