#!/bin/sh
# Both translators learn a small language with its words in another order, write it as taught, alone and side by side; a training that was
# stopped in the middle of an epoch ends with the same weights, for any number of threads; lines that are empty, too long or no text; what
# they look at while they write.
# level: quick
set -eu
cajal=$build/cajal
. "$source/tests/shell/support/fails.sh"
"$cajal" check "$source/recipes/mnist-mlp.yaml" 2>&1 | grep -q 'this build reads no recipes' && exit 77

# "der rote Hund läuft" and the like: adjective and noun change places
awk -v folder="$scratch" 'BEGIN {
    n = split("Hund Katze Mann Ball", noun); split("dog cat man ball", noun_en)
    split("rote alte große", adjective); split("red old big", adjective_en); split("läuft schläft fällt", verb); split("runs sleeps falls", verb_en)
    for (a = 1; a <= 3; a++) for (i = 1; i <= n; i++) for (v = 1; v <= 3; v++) for (k = 0; k < 4; k++) {
        print "der " adjective[a] " " noun[i] (k % 2 ? " " verb[v] " nun" : " dort drüben") >(folder "/a.txt")
        print "the " noun_en[i] " " adjective_en[a] (k % 2 ? " now " verb_en[v] : " over there") >(folder "/b.txt")
    }
}'
cat >"$scratch/small.yaml" <<END
name: small
data: {text: $scratch/a.txt, target_text: $scratch/b.txt, test_text: $scratch/a.txt, test_target: $scratch/b.txt, format: pairs, tokenizer: word,
  split: random, bucket: 2}
model: {name: transformer, layers: 1, heads: 2, width: 16, hidden: 32, block: 12, dropout: 0.05}
training: {batch_size: 16, epochs: 25, label_smoothing: 0.05}
optimizer: {learning_rate: 0.01, clip_norm: 1}
checkpoint: {every_steps: 4}
END
digest() { sed -n 's/^weights sha256 //p' "$1"; }
for model in transformer gru-attention; do
    run=$scratch/$model
    [ $model = transformer ] || others="model.layers=0 model.heads=0"
    "$cajal" train "$scratch/small.yaml" model.name=$model ${others-} --output "$run" --quiet --threads 1 >"$scratch/whole" 2>&1
    grep -q '^BLEU 100.00, in lower case 100.00, of 144 sentences' "$scratch/whole" || { cat "$scratch/whole"; exit 1; }
    # the last checkpoint taken away, the one before is in the middle of an epoch
    last=$(ls "$run"/checkpoints/step-* | tail -1)
    rm -r "$last" "$run/model.safetensors"
    "$cajal" train --resume "$run" --quiet --threads 3 >"$scratch/again" 2>&1
    [ "$(digest "$scratch/whole")" = "$(digest "$scratch/again")" ] || { echo "$model: other weights when resumed"; cat "$scratch/again"; exit 1; }

    printf 'der rote Hund läuft nun\n\n  \nder große Ball dort drüben\n' >"$scratch/in"
    printf 'the dog red now runs\n\n\nthe ball big over there\n' >"$scratch/want"
    "$cajal" translate "$run" "$scratch/in" | cmp - "$scratch/want"
    "$cajal" translate "$run" --beams 1 --threads 3 <"$scratch/in" | cmp - "$scratch/want"
    for penalty in -100 100; do "$cajal" translate "$run" "$scratch/in" --length-penalty $penalty | wc -w >"$scratch/words$penalty"; done
    [ "$(cat "$scratch/words-100")" -le 10 ] && [ "$(cat "$scratch/words100")" -gt 10 ] || { echo "$model: --length-penalty is not heeded"; exit 1; }
    "$cajal" evaluate "$run" --json | grep -q '"bleu": 100' || { echo "evaluate tells no BLEU"; exit 1; }

    { printf '\357\273\277'; cat "$scratch/in"; } | "$cajal" translate "$run" - training.precision=highest | cmp - "$scratch/want"
    fails 2 "model.safetensors: " translate "$run" model.width=32

    printf 'der alte Mann schläft nun\nder \377 Mann\nder der der der der der der der der der der der der\nder alte Mann fällt nun\n' >"$scratch/bad"
    fails 1 "bad, line 2: found byte 0xff" translate "$run" "$scratch/bad"
    grep -qF "line 3: found a source of 14 tokens, expected from 1 to 12 (model.block)" "$scratch/err" || { cat "$scratch/err"; exit 1; }
    printf 'the man old now sleeps\n\n\nthe man old now falls\n' | cmp - "$scratch/out"

    # a test's sentence that is too long counts as an empty translation, and the others are scored all the same
    for language in a b; do cat "$scratch/$language.txt"; sed -n 3p "$scratch/bad"; done >"$scratch/both"
    head -145 "$scratch/both" >"$scratch/long.a" && tail -145 "$scratch/both" >"$scratch/long.b"
    "$cajal" evaluate "$run" data.test_text="$scratch/long.a" data.test_target="$scratch/long.b" >"$scratch/out" 2>"$scratch/err"
    grep -qF "long.a, line 145: found a source of 14 tokens, expected from 1 to 12 (model.block); an empty translation" "$scratch/err"
    grep -q '^BLEU 9[0-9].*, of 145 sentences' "$scratch/out" || { cat "$scratch/out" "$scratch/err"; exit 1; }

    # what its words look at: a picture for each attention across, and a page with both sentences; of a file each line
    case $model in transformer) layer=decoder.layers.0.multihead_attn ;; *) layer=decoder.attention ;; esac
    for threads in 1 3; do
        "$cajal" explain "$run" 'der rote Hund läuft nun' --out "$scratch/why-$threads" --threads $threads --json >"$scratch/out"
    done
    grep -qF "{\"method\": \"attention\", \"layer\": \"$layer\", \"file\": \"$scratch/why-3/sentence-attention-1.png\"}, " "$scratch/out"
    [ "$(grep -o '"file"' "$scratch/out" | wc -l)" = 2 ] || { cat "$scratch/out"; exit 1; }
    head -c 8 "$scratch/why-1/sentence-attention-1.png" | grep -q PNG
    cmp "$scratch/why-1/sentence-attention-1.png" "$scratch/why-3/sentence-attention-1.png"
    page=$scratch/why-1/sentence-attention.html
    [ "$(sed -n 's/<[^>]*>//g; /→/p' "$page")" = 'der rote Hund läuft nun· → the dog red now runs·' ] || { cat "$page"; exit 1; }
    [ "$(grep -o 'data-v="[-0-9 ]*"' "$page" | wc -l)" = 6 ]
    printf 'der rote Hund läuft nun\n\nder große Ball dort drüben\n' >"$scratch/two.txt"
    "$cajal" explain "$run" "$scratch/two.txt" --out "$scratch/why" >"$scratch/out"
    grep -q 'two-attention-2.png' "$scratch/out"
    [ "$(grep -c '<h2>' "$scratch/why/two-attention.html")" = 2 ]
    fails 1 "bad: line 2: found byte 0xff" explain "$run" "$scratch/bad" --out "$scratch/why"
    fails 1 "the sentence: line 1: found a source of 14 tokens, expected from 1 to 12 (model.block)" \
        explain "$run" 'der der der der der der der der der der der der der' --out "$scratch/why"
    fails 2 "--method gradient-input is not for translators" explain "$run" "$scratch/two.txt" --method gradient-input --out "$scratch/why"
    fails 1 "none.txt: cannot be opened" explain "$run" "$scratch/none.txt" --out "$scratch/why"
done
printf 'der Hund' | "$cajal" translate "$scratch/transformer" >/dev/null # no line end
"$cajal" translate "$scratch/transformer" </dev/null | cmp - /dev/null
"$cajal" version | grep -q 'PCRE2 *[0-9]' || exit 0
# one vocabulary of byte pairs for both languages
"$cajal" train "$scratch/small.yaml" data.tokenizer=bpe data.target_tokenizer=joint data.vocabulary=300 training.epochs=1 model.block=64 \
    --output "$scratch/joint" --quiet >/dev/null
[ -e "$scratch/joint/tokenizer.json" ] && [ ! -e "$scratch/joint/target-tokenizer.json" ]
"$cajal" translate "$scratch/joint" "$scratch/in" | [ "$(wc -l)" = 4 ]
# the recipes on a few real sentences: they train, and with the same bits for any number of threads
if [ -e "${CAJAL_DATA:-/none}/multi30k/val.de.gz" ]; then
    for language in de en; do gzip -dc "$CAJAL_DATA/multi30k/val.$language.gz" | head -150 >"$scratch/val.$language"; done
    for model in transformer gru-attention; do
        for threads in 1 3; do
            "$cajal" train "$source/recipes/multi30k-$model.yaml" data.text="$scratch/val.de" data.target_text="$scratch/val.en" \
                data.validation_text= data.validation_target= data.test_text= data.test_target= data.vocabulary=600 model.width=16 \
                model.hidden=16 training.epochs=1 --threads $threads --no-save --quiet >"$scratch/slice-$threads"
        done
        [ -n "$(digest "$scratch/slice-1")" ] && [ "$(digest "$scratch/slice-1")" = "$(digest "$scratch/slice-3")" ] || { cat "$scratch"/slice-*; exit 1; }
    done
fi
fails 1 "cannot be opened" translate "$scratch/transformer" "$scratch/no-such.txt"
fails 2 "name a run's folder" translate
fails 2 'the network translates: `cajal translate`' predict "$scratch/transformer" "$scratch/in"
fails 1 "no run is there" translate "$scratch/no-such-run"
fails 2 "data.format is 'lines', but must be pairs" check "$scratch/small.yaml" data.format=lines data.target_text= data.test_target=
fails 2 "model.width is '17', but must be even" check "$scratch/small.yaml" model.width=17
fails 2 "model.layers is '0', but must be from 1" check "$scratch/small.yaml" model.layers=0
