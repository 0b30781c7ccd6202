# SPDX-License-Identifier: GPL-3.0-or-later
# shellcheck shell=bash
#
# What the throwaway servers share; to be sourced, and served() to be called
# last.  A server is all that runs in one process group, whose leader is in
# DIR/pid.  The script that sources this defines
#
#   launch      writes its configuration and starts it with detach()

HOST=127.0.0.1
UNAVAILABLE=77  # exit status: what is needed to run it cannot be had

die() { echo "${0##*/}: $*" >&2; exit 1; }
unavailable() { echo "${0##*/}: $*" >&2; exit $UNAVAILABLE; }

# The pid file holds "PID STARTTIME", so that a pid in use again by something
# else is never taken for ours.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'; }

alive() {
    local pid time
    read -r pid time 2>/dev/null <"$DIR/pid" || return 1
    [[ -n $pid && $(start_time "$pid") == "$time" ]]
}

# detach COMMAND...: in a session, and so a process group, of its own: stop
# ends that.
detach() {
    setsid "$@" >>"$DIR/log" 2>&1 </dev/null &
    echo "$! $(start_time $!)" >"$DIR/pid"
}

free_ports() {
    python3 - "$HOST" <<'PY'
import socket, sys
while True:
    with socket.socket() as a, socket.socket() as b:
        a.bind((sys.argv[1], 0))
        port = a.getsockname()[1]
        try:
            b.bind((sys.argv[1], port + 1))
        except (OSError, OverflowError):
            continue
        print(port)
        break
PY
}

# certificate NAME CA_NAME SUBJECT DAYS [SUBJECT_ALT_NAME]; without the last
# it is a certificate authority.
certificate() {
    local name=$1 ca=$2 subject=$3 days=$4 alt=${5:-}
    openssl ecparam -name prime256v1 -genkey -noout -out "$name.key"
    if [[ -z $alt ]]; then
        openssl req -x509 -new -key "$name.key" -subj "/CN=$subject" -days "$days" \
            -addext keyUsage=critical,keyCertSign -out "$name.pem"
        return
    fi
    openssl req -new -key "$name.key" -subj "/CN=$subject" -out "$name.csr"
    printf 'basicConstraints=CA:FALSE\nsubjectAltName=%s\n' "$alt" >"$name.ext"
    openssl x509 -req -in "$name.csr" -CA "$ca.pem" -CAkey "$ca.key" -days "$days" \
        -set_serial "0x$(openssl rand -hex 8)" -extfile "$name.ext" -out "$name.pem" 2>/dev/null
    rm "$name.csr" "$name.ext"
}

certificates() {
    [[ -s $DIR/ca.pem && -s $DIR/tls/expired.pem ]] && return
    mkdir -p "$DIR/tls"
    (
        cd "$DIR/tls"
        certificate ca '' 'imapfs test CA' 365
        certificate other-ca '' 'Unrelated test CA' 365
        certificate server ca localhost 365 DNS:localhost,IP:127.0.0.1
        certificate wronghost ca mail.example.org 365 DNS:mail.example.org
        certificate expired ca localhost -1 DNS:localhost,IP:127.0.0.1
    )
    chmod 600 "$DIR"/tls/*.key
    cp "$DIR/tls/ca.pem" "$DIR/tls/other-ca.pem" "$DIR/"
}

# download PACKAGE...: into the current directory, with the lists of packages
# that are there, else with new ones, which are kept here: /var stays as it is.
download() {
    local apt=(apt-get -qq -o APT::Sandbox::User="$(id -un)" -o Acquire::Retries=2)
    "${apt[@]}" download "$@" 2>/dev/null && return
    mkdir -p lists/partial archives/partial
    apt+=(-o Dir::State::lists="$PWD/lists" -o Dir::Cache="$PWD")
    "${apt[@]}" update && "${apt[@]}" download "$@"
}

# unpack PACKAGE...: Debian packages in DIR/root, without installing anything.
# They are kept for the next time in the user's cache.
unpack() {
    local name=${0##*/} cache package
    [[ ! -e $DIR/root/unpacked ]] || return 0
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/imapfs-tests/$name
    if [[ ! -e $cache/complete ]]; then
        command -v apt-get >/dev/null && command -v dpkg >/dev/null || unavailable 'there is no apt-get here'
        mkdir -p "$cache"
        (cd "$cache" && rm -f ./*.deb && download "$@") >&2 ||
            unavailable 'its packages cannot be had with apt-get download'
        rm -rf "$cache/lists" "$cache/archives" "$cache"/*pkgcache.bin
        : >"$cache/complete"
    fi
    mkdir -p "$DIR/root"
    for package in "$cache"/*.deb; do
        dpkg -x "$package" "$DIR/root"
    done
    : >"$DIR/root/unpacked"
}

# True once the server greets on PORT.
greets() {
    local line
    exec 9<>"/dev/tcp/$HOST/$PORT" || return 1
    IFS= read -r -t 5 line <&9 && [[ $line == '* OK'* ]]
    local result=$?
    printf 'z LOGOUT\r\n' >&9
    exec 9>&-
    return $result
} 2>/dev/null

start() {
    local tries=0
    if ! alive; then
        [[ $PORT != 0 ]] || PORT=$(free_ports)
        # the server's processes may be other users
        chmod 755 "$DIR"
        certificates
        launch
        until greets; do
            alive || { tail -n 20 "$DIR/log" >&2; die 'ended at start'; }
            (( ++tries < 200 )) || die "no greeting, see $DIR/log"
            sleep 0.1
        done
        cat >"$DIR/env" <<ENV
HOST=$HOST
PORT=$PORT
TLS_PORT=$((PORT + 1))
USER_NAME=test
PASSWORD=secret
CA=$DIR/ca.pem
PID=$(cut -d' ' -f1 "$DIR/pid")
ENV
    fi
    cat "$DIR/env"
}

stop() {
    alive || { rm -f "$DIR/pid"; return 0; }
    local pid tries=0
    pid=$(cut -d' ' -f1 "$DIR/pid")
    # all of them at once: the first alone might wait for the others
    kill -TERM -- "-$pid" 2>/dev/null || true
    while alive && (( ++tries < 100 )); do sleep 0.05; done
    # the rest of its process group, should anything be left
    kill -KILL -- "-$pid" 2>/dev/null || true
    rm -f "$DIR/pid"
}

# served "$@": does what the command line says.
served() {
    [[ $# -ge 2 ]] || die 'usage: start DIR PORT | stop DIR | status DIR'
    DIR=$2 PORT=${3:-}
    case $1 in
    start)
        [[ $PORT =~ ^[0-9]+$ ]] || die 'start needs a port (0: pick one)'
        mkdir -p "$DIR"
        DIR=$(cd "$DIR" && pwd)
        start ;;
    stop)
        [[ ! -d $DIR ]] || stop ;;
    status)
        alive || die 'not running'
        cat "$DIR/env" ;;
    *)
        die "no such command: $1" ;;
    esac
}
