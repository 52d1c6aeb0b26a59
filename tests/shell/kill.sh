#!/bin/sh
# A training killed with SIGKILL at twenty random moments, checkpoint writes among them, and resumed each time,
# ends with the weights of one never killed; so does one that carries a recurrent state from batch to batch. SIGTERM
# saves and exits 130.
# level: quick
set -eu
cajal=$build/cajal
"$cajal" version | grep -q 'libyaml *[0-9]' || exit 77
mkdir -p "$scratch/mnist"
# 600 noisy pictures of 8 by 8 in two classes, from a small generator of its own
awk 'BEGIN { s = 1; for (i = 0; i < 600; i++) { label = i % 2; for (p = 0; p < 64; p++) { s = (s * 69069 + 1) % 4294967296;
    v = int(s / 16777216) % 128 + (label == (p < 32) ? 90 : 0); printf "%c", v % 127 + 1 } } }' >"$scratch/pixels"
head -c 38400 "$scratch/pixels" >"$scratch/images"
for part in train t10k; do
    { printf '\0\0\10\3\0\0\2\130\0\0\0\10\0\0\0\10'; cat "$scratch/images"; } >"$scratch/mnist/$part-images-idx3-ubyte"
    { printf '\0\0\10\1\0\0\2\130'; i=0; while [ $i -lt 300 ]; do printf '\0\1'; i=$((i + 1)); done; } \
        >"$scratch/mnist/$part-labels-idx1-ubyte"
done
export CAJAL_DATA="$scratch"
settings="training.batch_size=16 training.epochs=${EPOCHS:-60} checkpoint.every_steps=7 checkpoint.keep=3
    early_stopping.restore_best=true schedule.name=cosine"
recipe=$scratch/recipe.yaml
cat >"$recipe" <<EOF
data: {name: mnist, validation: 0.2}
model: [dense: 48, relu, dropout: 0.2, dense: 2]
optimizer: {name: adam, learning_rate: 0.003}
EOF
train() { exec "$cajal" train "$@" --quiet >"$scratch/out" 2>"$scratch/err"; } # in a subshell: one process, to be killed
start() { (train "$recipe" $settings --output "$1"); }
digest() { sed -n 's/^weights sha256 //p' "$scratch/out"; }
# N: the recipe's training, killed so often, comes to the weights of one never killed
killed() {
    rm -rf "$scratch/whole" "$scratch/killed"
    start "$scratch/whole"
    whole=$(digest)
    [ -n "$whole" ] || { echo "no weights of the run never killed"; cat "$scratch/err"; exit 1; }
    kills=0 rounds=0
    while [ $kills -lt "$1" ] && [ $rounds -lt 200 ]; do
        rounds=$((rounds + 1))
        if [ -e "$scratch/killed/recipe.yaml" ]; then
            train --resume "$scratch/killed" &
        else
            rm -rf "$scratch/killed"
            train "$recipe" $settings --output "$scratch/killed" &
        fi
        pid=$!
        sleep "$(awk -v r=$rounds 'BEGIN { srand(r * 7919); printf "%.3f", 0.01 + 0.09 * rand() }')"
        if kill -KILL $pid 2>/dev/null; then kills=$((kills + 1)); fi
        code=0
        wait $pid 2>/dev/null || code=$?
        case $code in 0 | 137) ;; *) echo "after kill $kills: exit $code"; cat "$scratch/err"; exit 1 ;; esac
        if [ $code = 0 ]; then rm -rf "$scratch/killed"; fi # it ended before the kill: from the start again
    done
    [ $kills -eq "$1" ] || { echo "only $kills kills in $rounds rounds"; exit 1; }
    if [ -e "$scratch/killed/recipe.yaml" ]; then
        (train --resume "$scratch/killed")
    else
        start "$scratch/killed"
    fi
    [ "$(digest)" = "$whole" ] || { echo "killed $kills times: $(digest), never: $whole"; exit 1; }
    cmp "$scratch/whole/model.safetensors" "$scratch/killed/model.safetensors"
    left=$(find "$scratch/killed" -name '*.tmp-*' | wc -l)
    [ "$left" = 0 ] || { echo "$left temporary files were left behind"; exit 1; }
}

# a text in lanes, whose state is carried from batch to batch
awk 'BEGIN { s = 1; for (i = 0; i < 6000; i++) { s = (s * 69069 + 1) % 4294967296;
    printf "%s", substr("abcdefgh ", 1 + int(s / 16777216) % 9 * (i % 3 > 0), 1) } }' >"$scratch/text"
cat >"$scratch/lanes.yaml" <<EOF
data: {text: $scratch/text, window: 12, order: lanes}
model: {name: lstm, layers: 2, width: 24, dropout: 0.2}
optimizer: {name: adam, learning_rate: 0.003}
EOF
pictures=$recipe
recipe=$scratch/lanes.yaml
killed 6
recipe=$pictures
killed 20

# a damaged newest checkpoint is passed over, with a note, for the one before it
start "$scratch/damaged"
newest=$(ls "$scratch/damaged/checkpoints" | tail -1)
printf 'x' | dd of="$scratch/damaged/checkpoints/$newest" bs=1 seek=4000 conv=notrunc 2>/dev/null
"$cajal" train --resume "$scratch/damaged" >"$scratch/out" 2>"$scratch/err"
grep -q 'damaged checkpoint' "$scratch/err" || { echo "no word of the damaged checkpoint"; cat "$scratch/err"; exit 1; }
[ "$(digest)" = "$whole" ] || { echo "after a damaged checkpoint: $(digest), not $whole"; exit 1; }

# SIGTERM: the step is finished and saved, the exit code is 130, and the rest comes to the same weights
EPOCHS=100000
"$cajal" train "$recipe" training.batch_size=16 training.epochs=100000 --output "$scratch/stopped" --quiet >"$scratch/out" 2>"$scratch/err" &
pid=$!
sleep 0.3
kill -TERM $pid
code=0
wait $pid || code=$?
[ $code = 130 ] || { echo "SIGTERM: exit $code, not 130"; cat "$scratch/err"; exit 1; }
grep -q 'resume' "$scratch/err"
ls "$scratch/stopped/checkpoints" | grep -q step-
