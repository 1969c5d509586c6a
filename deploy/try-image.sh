#!/bin/bash
# Builds the image from the unchanged Dockerfile and tries it: against simulated providers, in a
# network that has loopback alone, with a read-only root, no capability and a volume.
#
#   deploy/try-image.sh                    with docker, else podman
#   ENGINE=podman deploy/try-image.sh
#   deploy/try-image.sh --stand-in         where no registry can be reached; as root
#
# --stand-in makes the base image itself, under the official name: Debian's own Python, by
# debootstrap from the mirror that apt uses here, with this machine's CA certificates. It wants
# podman and works in a container or a small virtual machine, too (vfs, runc, a build in a chroot):
#
#   apt-get install --no-install-recommends podman buildah runc debootstrap
#
# A pip configuration of this user or machine is handed to the build as a secret. WORK=<folder>
# keeps everything there, and the stand-in is not made again.
set -euo pipefail
cd "$(dirname "$0")/.."

stand_in=
[[ ${1:-} == --stand-in ]] && stand_in=yes
engine=${ENGINE:-}
if [[ -z $engine ]]; then
    engine=podman
    [[ -z $stand_in ]] && docker info >/dev/null 2>&1 && engine=docker
fi
[[ -n $stand_in && $engine != podman ]] && { echo "--stand-in wants podman" >&2; exit 2; }

image=inbox-watcher:trial
state=inbox-watcher-trial
keep=${WORK:-}
work=${WORK:-$(mktemp -d)}
mkdir -p "$work"
work=$(cd "$work" && pwd)
trial=$work/trial

client=("$engine")
build=(build)
limits=()
if [[ $engine == podman ]]; then
    limits+=(--read-only-tmpfs=false) # nothing is writable but what is named below
    build+=(--format docker)          # the other format has no health checks
fi
if [[ -n $stand_in ]]; then
    client+=(--root "$work/storage" --runroot "$work/run" --storage-driver vfs --runtime runc
        --cgroup-manager cgroupfs --events-backend file)
    build+=(--isolation chroot --pull=never --layers=false) # vfs copies a whole tree a layer
    export DISABLE_HC_SYSTEMD=true # the check is run below
    limits+=(--ulimit nofile=1024:1024 --ulimit nproc=1024:1024)
fi

begun=$(date +%s.%N)
step() { printf '%6.1f s  %s\n' "$(since "$begun")" "$*"; }
since() { echo "$(date +%s.%N) $1" | awk '{print $1 - $2}'; }
fail() {
    echo "FAILED: $*" >&2
    for name in simulators watcher; do
        echo "--- the last lines of $name" >&2
        "${client[@]}" logs "$name-trial" 2>&1 | tail -n 20 >&2 || true
    done
    exit 1
}
# shellcheck disable=SC2329 # run by the trap
clean() {
    # One by one: podman removes none if one is missing.
    "${client[@]}" rm -f -v watcher-trial >/dev/null 2>&1 || true
    "${client[@]}" rm -f -v simulators-trial >/dev/null 2>&1 || true
    "${client[@]}" volume rm "$state" >/dev/null 2>&1 || true
    # Its files belong to the image's user, whom only the engine can act for.
    rm -rf "$trial" 2>/dev/null ||
        "${client[@]}" run --rm --network none --user 0 --volume "$work:/scratch:z" --entrypoint rm \
            "$image" -rf /scratch/trial || true
    [[ -n $keep ]] || rm -rf "$work"
}

# -- the base image --------------------------------------------------------------------------------

make_stand_in() { # <name of the base image>
    local codename=${1##*-} root=$work/rootfs site
    # shellcheck disable=SC2016 # apt fills these in
    site=$(apt-get indextargets --format '$(SITE) $(CODENAME)' 'Created-By: Packages' |
        awk -v codename="$codename" '$2 == codename {print $1; exit}')
    [[ -n $site ]] || fail "apt knows no mirror of $codename"
    rm -rf "$root"
    debootstrap --variant=minbase --include=python3,python3-venv,python3-pip,ca-certificates \
        "$codename" "$root" "$site" >"$work/debootstrap.log" || fail "see $work/debootstrap.log"
    # What the official image has in its PATH, and what is trusted here.
    ln -s ../../bin/python3 "$root/usr/local/bin/python"
    cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
    tar -C "$root" -c . | "${client[@]}" import --quiet \
        --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'CMD ["python3"]' - "$1" >/dev/null
    rm -rf "$root"
}

trap clean EXIT
clean_before=$keep keep=yes
clean # what an interrupted trial left
keep=$clean_before

if [[ -n $stand_in ]]; then
    base=$(sed -n 's/^ARG BASE=\([^@]*\)@.*/\1/p' Dockerfile) # nobody can make an image with a given digest
    build+=(--build-arg "BASE=$base")
    if ! "${client[@]}" image exists "$base"; then
        step "making a stand-in for $base"
        make_stand_in "$base"
    fi
fi

# -- the image -------------------------------------------------------------------------------------

for file in "${PIP_CONFIG_FILE:-}" "$HOME/.config/pip/pip.conf" /etc/pip.conf; do
    if [[ -f $file ]]; then
        build+=(--secret "id=pip,src=$file")
        break
    fi
done
step "building $image with $engine"
"${client[@]}" "${build[@]}" --tag "$image" --file Dockerfile . >"$work/build.log" 2>&1 ||
    { tail -n 30 "$work/build.log" >&2; fail "the build"; }
size=$("${client[@]}" image inspect --format '{{.Size}}' "$image")
step "built: $((size / 1000000)) MB"

# -- the other ends --------------------------------------------------------------------------------

mkdir -p "$trial"
chmod 0777 "$trial" # the image's user writes there
common=(--detach --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges
    "${limits[@]}")

start_simulators() {
    "${client[@]}" run "${common[@]}" --name simulators-trial --network none \
        --volume "$PWD/deploy/trial.py:/trial.py:ro,z" --volume "$trial:/trial:z" \
        --entrypoint python "$image" /trial.py /trial >/dev/null
}
start_watcher() {
    "${client[@]}" rm -f watcher-trial >/dev/null 2>&1 || true
    "${client[@]}" run "${common[@]}" --name watcher-trial --network container:simulators-trial \
        --volume "$state:/var/lib/inbox-watcher" \
        --volume "$trial/config:/etc/inbox-watcher:ro,z" \
        --volume "$trial/secrets:/run/secrets:ro,z" "$image" >/dev/null
}
inside() { "${client[@]}" exec watcher-trial "$@"; }
happen() { "${client[@]}" kill --signal USR1 simulators-trial >/dev/null; }
field() { "${client[@]}" inspect --format "{{$2}}" "$1"; }
healthy() {
    if [[ $engine == podman ]]; then # which runs the check by itself only beside systemd
        podman_health=$("${client[@]}" healthcheck run watcher-trial 2>&1) && return 0
        [[ -n $podman_health ]] && return 1
    fi
    [[ $(field watcher-trial .State.Health.Status) == healthy ]]
}
settled() { [[ -f $trial/owed && $(<"$trial/owed") == 0 ]]; }
ready() {
    inside python -c "import urllib.request as web
print(web.urlopen('http://127.0.0.1:8485/readyz', timeout=4).status)" >/dev/null 2>&1
}
wait_for() { # <seconds> <what> <command>...
    local until=$((SECONDS + $1)) what=$2
    shift 2
    until "$@"; do
        ((SECONDS < until)) || fail "$what"
        sleep 0.3
    done
}
count() { inside inbox-watcher events --json --limit 1000 --type "$1" | wc -l; }

start_simulators
wait_for 20 "the simulators do not start" test -f "$trial/config/inbox-watcher.yaml"
step "six simulated accounts and a receiver listen"

# -- it runs as promised ---------------------------------------------------------------------------

start_watcher
wait_for 60 "the daemon does not get ready" ready
wait_for 60 "the baselines do not arrive" settled
wait_for 60 "the health check does not pass" healthy
step "ready, baselined and healthy"

who=$(inside python -c 'import os; print({os.getuid(), os.getgid(), *os.getgroups()})')
[[ $who == "{10001}" ]] || fail "it runs as $who"
[[ $(inside cat /proc/1/cmdline | tr '\0' ' ') == *"inbox-watcher run "* ]] ||
    fail "the daemon is not process 1"
for folder in / /etc /etc/inbox-watcher /opt/inbox-watcher /run /run/secrets /var/tmp /home; do
    error=$(inside touch "$folder/trial" 2>&1) && fail "$folder is writable"
    [[ $error == *"Read-only file system"* ]] || fail "$folder is protected by chance: $error"
done
for folder in /tmp /var/lib/inbox-watcher; do
    inside touch "$folder/trial" || fail "$folder is not writable"
    inside rm "$folder/trial"
done
inside grep -q ' /var/lib/inbox-watcher ' /proc/1/mounts || fail "the state is not on a volume"
[[ $(inside stat --format '%u %a' /var/lib/inbox-watcher/inbox-watcher.db) == 10001\ * ]] ||
    fail "the store is not on the volume"
inside sh -c 'command -v gcc cc' >/dev/null && fail "there is a compiler in the image"
step "uid 10001, root read-only, state on the volume"

for _ in 1 2 3; do
    happen
    sleep 1
    wait_for 30 "changes do not arrive" settled
done
events=$(count 'conversation.*')
((events >= 18)) || fail "only $events events after 18 happenings"
[[ $(inside inbox-watcher status --json | wc -l) -gt 0 ]] || fail "status says nothing"
step "$events events recorded, delivered, and as they happened"

# -- it stops and goes on --------------------------------------------------------------------------

# One round each time: two would overtake each other while nobody looks, and only the sum shows.

happen # in mid-work
stopping=$(date +%s.%N)
"${client[@]}" stop --time 10 watcher-trial >/dev/null
took=$(since "$stopping")
code=$(field watcher-trial .State.ExitCode)
[[ $code == 0 ]] || fail "SIGTERM ended it with status $code"
step "stopped by SIGTERM in $took s, status 0"

start_watcher
sleep 1
wait_for 60 "changes from around the stop do not arrive" settled
step "a second container went on from the volume"

happen
sleep 0.5
"${client[@]}" kill --signal KILL watcher-trial >/dev/null
start_watcher
sleep 1
wait_for 60 "changes from around kill -9 do not arrive" settled
[[ $(count source.baselined) == 6 ]] || fail "there was another baseline"
step "and a third after kill -9; no new baseline"

for file in "$trial"/secrets/*; do
    "${client[@]}" logs watcher-trial 2>&1 | grep -qF "$(<"$file")" && fail "a secret is in the logs"
done
"${client[@]}" stop --time 10 watcher-trial >/dev/null
"${client[@]}" stop --time 10 simulators-trial >/dev/null
[[ $(field simulators-trial .State.ExitCode) == 0 ]] || fail "the scorecard"
step "$("${client[@]}" logs simulators-trial 2>&1 | tail -n 1)"
