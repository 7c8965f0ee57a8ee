#!/bin/sh
# Opens the nine terminals of a Lode network in one tmux window: a bootstrap node, three miners and five
# wallets, each a process of its own. Needs tmux; builds `lode` when there is no LODE=/path/to/lode.
#
#   docs/nine-terminals.sh           the network goes on where it stopped last time
#   DATA=/some/dir docs/nine-terminals.sh       keeps its data there, apart from your own
#   PORT=9100 docs/nine-terminals.sh            the bootstrap node listens there instead of at 9000, the miners at the
#                                               three ports behind it
#
# Click a pane or press Ctrl-B and an arrow to change it. A new wallet asks for a passphrase twice (Enter for none);
# `help` lists what can be typed. Ctrl-B & closes the window and ends everything.
set -eu
cd "$(dirname "$0")/.."
session=${SESSION:-lode}
port=${PORT:-9000}
command -v tmux >/dev/null || { echo "nine-terminals.sh: please install tmux" >&2; exit 1; }
if tmux has-session -t "=$session" 2>/dev/null; then
    echo "nine-terminals.sh: the tmux session '$session' exists: tmux attach -t $session, or choose another SESSION" >&2
    exit 1
fi
if [ -z "${LODE:-}" ]; then
    cargo build --release
    LODE=${CARGO_TARGET_DIR:-target}/release/lode
fi
[ -x "$LODE" ] || { echo "nine-terminals.sh: $LODE is no program" >&2; exit 1; }
[ -z "${DATA:-}" ] || export XDG_DATA_HOME="$DATA"

# Each terminal stays when its program ends, so that its last words can be read.
open() {
    "$@" -e XDG_DATA_HOME="${XDG_DATA_HOME:-$HOME/.local/share}" -e LODE_BOOTSTRAP="127.0.0.1:$port" \
        "'$LODE' $words; exec ${SHELL:-/bin/sh}"
}

words="bootstrap ${PORT:+--listen 127.0.0.1:$PORT} ${BOOTSTRAP_FLAGS:-}"
open tmux new-session -d -s "$session" -x "${COLUMNS:-220}" -y "${LINES:-66}" -n lode
tmux set-option -t "$session" mouse on
for words in "miner Miner1 $((port + 1))" "miner Miner2 $((port + 2))" "miner Miner3 $((port + 3))" \
    "wallet Adam" "wallet Bob" "wallet Conor" "wallet David" "wallet Evan"; do
    open tmux split-window -t "$session"
    tmux select-layout -t "$session" tiled >/dev/null
done
if [ -t 0 ] && [ -t 1 ]; then
    exec tmux attach -t "$session"
fi
echo "the nine terminals are open: tmux attach -t $session"
