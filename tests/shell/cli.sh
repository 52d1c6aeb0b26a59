#!/bin/sh
# The command as a user meets it: exit codes, sentences, and a training whose result repeats to the last digit.
# level: quick
set -eu
cajal=$build/cajal
. "$source/tests/shell/support/fails.sh"
fails 2 "usage: cajal COMMAND"
fails 2 "there is no command 'trian'" trian
fails 2 "there is no option '--sed'" train --sed 3
fails 2 "--seed needs a value" train --seed
fails 0 "cajal train recipes/mnist-mlp.yaml" train --help
fails 0 "threads:" version
for line in "cajal [0-9]" "compiler: [gc]" "instruction set: .* (available: scalar" "libyaml  *[0-9l]" "zlib  *[0-9l]" \
    "libspng  *[0-9l]" "libjpeg  *[0-9l]" "utf8proc  *[0-9l]" "PCRE2  *[0-9l]" "libcurl  *[0-9l]" "libarchive  *[0-9l]"; do
    grep -q "$line" "$scratch/out" || { echo "cajal version: no '$line' in:"; cat "$scratch/out"; exit 1; }
done
fails 0 '"libraries": {"libyaml": ' version --json
CAJAL_ISA=scalar "$cajal" version | grep -q "instruction set: scalar (" || { echo "version does not heed CAJAL_ISA"; exit 1; }
for threads in abc 0 100000 3x; do
    CAJAL_THREADS=$threads fails 2 "CAJAL_THREADS is '$threads', but must be a whole number from 1 to 256" check "$source/recipes/mnist-mlp.yaml"
done
CAJAL_THREADS=2 fails 0 "# end" check "$source/recipes/mnist-mlp.yaml"
CAJAL_ISA=avx1024 fails 2 "no instruction set has this name; choose one of scalar" version
fails 2 "nothing called 'matmull' to be timed, only training, inference" bench matmull
fails 2 "--seconds is '0'" bench --seconds 0
fails 0 '"figures": [{"name": "inference", "what": "mlp, batch 1", "runs": ' bench inference --seconds 1 --threads 1 --json
grep -q '"best_us": [0-9.]*, "median_us": [0-9.]*, "gflops": [0-9.]*}\]}$' "$scratch/out" || { cat "$scratch/out"; exit 1; }
fails 0 "start      cajal version, to its end" bench start --seconds 1
fails 1 "no-such.yaml" train "$scratch/no-such.yaml"
grep -q 'libyaml' "$scratch/err" && exit 77
fails 2 "--threads is 'many'" train "$source/recipes/mnist-mlp.yaml" --threads many
fails 2 "did you mean 'training.epochs'" train "$source/recipes/mnist-mlp.yaml" training.epoch=1
for recipe in "$source"/recipes/*.yaml; do fails 0 "model:" check "$recipe"; done

# a wrong recipe is wrong usage, whether that shows while it is read or when it is used; what is not there to be read is not
wrong_recipe() { # SENTENCE RECIPE COMMAND
    printf '%s\n' "$2" >"$scratch/wrong.yaml"
    fails 2 "$1" "$3" "$scratch/wrong.yaml"
}
wrong_recipe "not YAML" 'model: [1, {' check
wrong_recipe "the file is empty" '' check
wrong_recipe "a layer's options are plain values" 'model: [conv2d: {filters: [3, 4]}, dense: 10]' check
wrong_recipe "data.shape is '5x'" '{data: {shape: 5x}, model: [dense: 10]}' check
wrong_recipe "label_smoothing is '-0.5'" '{training: {label_smoothing: -0.5}, model: [dense: 10]}' check
wrong_recipe "there is no dataset 'nothing'" '{data: {name: nothing}, model: [dense: 10]}' plan

# a small set of its own: 40 bright or dark pictures of 2 by 2, in the files of MNIST
mkdir -p "$scratch/mnist"
for part in train t10k; do
    { printf '\0\0\10\3\0\0\0\50\0\0\0\2\0\0\0\2'; i=0; while [ $i -lt 20 ]; do printf '\372\373\374\375\1\2\3\4'; i=$((i + 1)); done; } \
        >"$scratch/mnist/$part-images-idx3-ubyte"
    { printf '\0\0\10\1\0\0\0\50'; i=0; while [ $i -lt 20 ]; do printf '\1\0'; i=$((i + 1)); done; } >"$scratch/mnist/$part-labels-idx1-ubyte"
done
export CAJAL_DATA="$scratch"
run() { # THREADS FILE
    "$cajal" train "$source/recipes/mnist-mlp.yaml" training.batch_size=8 data.validation=0.2 --no-save --threads "$1" --json 2>"$2.err" |
        sed 's/"seconds": [^,]*, //' >"$2"
}
run 1 "$scratch/one" && run 3 "$scratch/three"
cmp "$scratch/one" "$scratch/three"
grep -q '"accuracy": 1, "count": 40' "$scratch/one" || { echo "40 bright and dark pictures are not told apart:"; cat "$scratch/one"; exit 1; }
grep -q 'val_accuracy' "$scratch/one.err"
! grep -q "$(printf '[\033\r]')" "$scratch/one.err" || { echo "progress in a file has what terminals are told"; exit 1; }

# of an ensemble each member is told: its accuracy, and its weights, which are those of a network with its seed
"$cajal" train "$source/recipes/mnist-mlp.yaml" training.batch_size=8 data.validation=0.2 ensemble.members=2 --output "$scratch/two" --json \
    >"$scratch/out" 2>/dev/null
alone=$(sed 's/.*"weights_sha256": "\([0-9a-f]*\)".*/\1/' "$scratch/one")
grep -q "\"members\": \[1, [0-9.]*\].*\"weights_sha256\": \[\"$alone\", \"[0-9a-f]*\"\]" "$scratch/out" || { cat "$scratch/out"; exit 1; }
"$cajal" evaluate "$scratch/two" --json | grep -q "\"weights_sha256\": \[\"$alone\", \"[0-9a-f]*\"\]"

# on a terminal a line of progress is written over, and so may not be wider; a signal ends all of it in a whole line
cat >"$scratch/large.yaml" <<END
data: {name: mnist}
model: [dense: 2048, relu, dense: 2048, relu, dense: 2]
training: {batch_size: 1, epochs: 2}
END
if command -v script >/dev/null; then
    script -qec "stty cols 60; '$cajal' train '$scratch/large.yaml' --no-save --threads 1" /dev/null >"$scratch/screen" 2>&1 </dev/null || true
    # what ends in "erase to the end" and a return alone is written over; behind a whole line comes a new one
    awk 'BEGIN { RS = "\r"; escape = sprintf("%c", 27) "[K" }
        over != "" && !/^\n/ { live++; if (length(over) > 59) { print "wider than the terminal: " over; wide = 1 } }
        { over = ""; sub(/^\n/, ""); end = index($0, escape); if (end && end == length($0) - 2) over = substr($0, 1, end - 1) }
        END { if (!live) print "no live progress on a terminal"; exit wide || !live }' "$scratch/screen" || exit 1
fi
for signal in INT TERM; do
    "$cajal" train "$scratch/large.yaml" training.epochs=100000 --output "$scratch/$signal" --json >"$scratch/out" 2>"$scratch/error" &
    sleep 0.7
    kill -$signal $!
    got=0
    wait $! || got=$?
    [ $got = 130 ] || { echo "SIG$signal: exit $got, not 130"; cat "$scratch/error"; exit 1; }
    grep -q -- "--resume $scratch/$signal. goes on from here" "$scratch/error"
    [ ! -s "$scratch/out" ] || { echo "SIG$signal: a result was printed"; exit 1; }
    ls "$scratch/$signal"/checkpoints/step-*.safetensors >/dev/null
done
fails 0 "resumed after" train --resume "$scratch/INT" training.epochs=1
fails 0 "matmul" plan "$source/recipes/mnist-mlp.yaml"
fails 0 "flowchart TD" graph "$source/recipes/mnist-mlp.yaml"
fails 0 "a training step:" summary "$source/recipes/mnist-mlp.yaml"
"$cajal" summary "$source/recipes/mnist-mlp.yaml" 2>&1 >/dev/null | grep . && { echo "summary writes on stderr"; exit 1; }
fails 1 "is not finite" train "$source/recipes/mnist-mlp.yaml" --no-save optimizer.name=sgd optimizer.learning_rate=1e38 training.batch_size=8

# a run's folder: made, refused a second time, evaluated, listed; a resolved recipe is a recipe
small="$source/recipes/mnist-mlp.yaml training.batch_size=8"
fails 0 "saved in $scratch/a" train $small --output "$scratch/a"
for file in recipe.yaml log.jsonl events.out.tfevents.cajal model.safetensors checkpoints; do
    [ -e "$scratch/a/$file" ] || { echo "no $file in the run's folder"; exit 1; }
done
fails 2 "holds a run already" train $small --output "$scratch/a"
fails 0 "test accuracy 100.00 % of 40" evaluate "$scratch/a"
fails 0 '"validation": {' evaluate "$scratch/a" --part validation --json
fails 2 "--part is 'all'" evaluate "$scratch/a" --part all
fails 1 "no run is there" evaluate "$scratch/nothing"
fails 0 "$scratch/a" runs "$scratch"
fails 0 '"finished": true' runs "$scratch" --json
fails 0 "data:" check "$scratch/a/recipe.yaml"
cp "$scratch/out" "$scratch/again"
cmp "$scratch/again" "$scratch/a/recipe.yaml"
fails 2 "is 'sdg', but must be one of" train $small optimizer.name=sdg
fails 2 "momentum is 2, but must be" train $small optimizer.momentum=2 --no-save

# measured kernels: kept in a file, used by the plan and by a training, whose folder has its own from then on
fails 0 "steps that several kernels can make, measured on" plan --measure --out "$scratch/kernels.json" $small
fails 0 "matmul" plan $small training.kernels="$scratch/kernels.json"
fails 2 "goes with --measure" plan --out "$scratch/kernels.json" $small
fails 0 "saved in $scratch/k" train $small training.kernels="$scratch/kernels.json" --output "$scratch/k"
cmp "$scratch/kernels.json" "$scratch/k/kernels.json"
grep -q "kernels: .*$scratch/k/kernels.json" "$scratch/k/recipe.yaml"
fails 1 "training.kernels: $scratch/nothing.json" train $small training.kernels="$scratch/nothing.json" --no-save
fails 0 "test accuracy 100.00 % of 40" evaluate "$scratch/k"
sed -i 's/"instruction_set": "[a-z0-9]*"/"instruction_set": "abacus"/' "$scratch/kernels.json"
fails 0 "are for abacus; on " train $small training.kernels="$scratch/kernels.json" --no-save

# predictions: pictures by name and by standard input, in words and as JSON; what cannot be read is named
printf 'P5 2 2 255\n\372\373\374\375' >"$scratch/bright.pgm"
printf 'P5 4 4 255\n\1\1\2\2\1\1\2\2\3\3\4\4\3\3\4\4' >"$scratch/dark.pgm" # scaled down to 2 by 2
fails 0 "bright.pgm: 1" predict "$scratch/a" "$scratch/bright.pgm"
fails 0 "dark.pgm: 0" predict "$scratch/a" "$scratch/dark.pgm"
fails 0 "dark.pgm: 1" predict "$scratch/a" "$scratch/dark.pgm" --invert
fails 0 '"class": "1"' predict "$scratch/a" "$scratch/bright.pgm" --json --top 3
"$cajal" predict "$scratch/a" - <"$scratch/bright.pgm" | grep -q '^-: 1'
fails 1 "nothing.pgm: cannot be opened" predict "$scratch/a" "$scratch/nothing.pgm"
fails 1 "not a picture" predict "$scratch/a" "$scratch/a/recipe.yaml"
fails 2 "--top is '0'" predict "$scratch/a" "$scratch/bright.pgm" --top 0
fails 2 "name a run's folder" predict

# a table: trained on, told of row by row as CSV, prepared by what the run has saved
awk 'BEGIN { s = 7; print "id,x,town,y"; for (i = 0; i < 400; i++) { s = (s * 69069 + 1) % 4294967296; x = int(s / 65536) % 100;
    t = (i % 3 == 0) ? "Rome" : "\"Oslo, N\""; printf "%d,%d,%s,%s\n", i, x, t, (x + (i % 3 == 0) * 30 > 60) ? "yes" : "no" } }' >"$scratch/t.csv"
cat >"$scratch/t.yaml" <<END
name: towns
data: {file: $scratch/t.csv, target: y, drop: [id], split: random, validation: 0.2, test: 0.2}
model: [dense: 16, relu, dense: 1]
optimizer: {learning_rate: 0.01}
training: {loss: binary_cross_entropy, epochs: 40, batch_size: 16}
threshold: {by: f1}
END
fails 0 "AUC 1.0000; at threshold 0." train "$scratch/t.yaml" --output "$scratch/towns" --quiet
fails 0 '"auc": 1, "threshold": 0.' evaluate "$scratch/towns" --json
head -3 "$scratch/t.csv" >"$scratch/new.csv"
fails 0 'id,x,town,y,prediction,probability' predict "$scratch/towns" "$scratch/new.csv"
grep -q '^1,[0-9]*,"Oslo, N",[a-z]*,[a-z]*,[01]' "$scratch/out" || { echo "the row did not come back:"; cat "$scratch/out"; exit 1; }
"$cajal" predict "$scratch/towns" - --json <"$scratch/new.csv" | grep -q '"input": "row 2"'
printf 'id,town\n1,Rome\n' >"$scratch/short.csv"
fails 1 "there is no column 'x'" predict "$scratch/towns" "$scratch/short.csv"
printf 'id,x,town\n1,3,Rome\n2,many,Rome\n' >"$scratch/words.csv"
fails 1 "words.csv:3: column 'x' has 'many'" predict "$scratch/towns" "$scratch/words.csv"
fails 2 "data.target" check "$scratch/t.yaml" data.target=
fails 2 "no column 'z' to learn" train "$scratch/t.yaml" --no-save data.target=z

# sentences with labels: a line in, a line out; what is empty stays so, and what is no text is told by its line
i=0
while [ $i -lt 12 ]; do printf 'a fine film %s\tgood\nit is dull %s\tbad\n' $((i % 5)) $((i % 4)); i=$((i + 1)); done >"$scratch/s.tsv"
cat >"$scratch/s.yaml" <<END
name: sentences
data: {format: labelled, text: $scratch/s.tsv, validation: 0.25, tokenizer: word, bucket: 2}
model: {name: textcnn, width: 8, hidden: 4, widths: [1, 2]}
optimizer: {learning_rate: 0.02}
training: {epochs: 12, batch_size: 6}
END
if "$cajal" train "$scratch/s.yaml" --output "$scratch/s" --quiet >/dev/null 2>"$scratch/error"; then
    printf 'a fine day\n\nhow dull\r\n' >"$scratch/asked"
    fails 0 "good 0." predict "$scratch/s" "$scratch/asked"
    [ "$(cut -d' ' -f1 "$scratch/out" | tr '\n' ,)" = good,,bad, ] || { cat "$scratch/out"; exit 1; }
    "$cajal" predict "$scratch/s" - --top 2 <"$scratch/asked" | grep -q '^good 0.[0-9]*, bad 0.'
    fails 0 '"input": "how dull", "class": "bad"' predict "$scratch/s" --json "$scratch/asked"
    printf 'fine\n\n\377\n' >"$scratch/asked"
    fails 1 "asked: line 3: found byte 0xff" predict "$scratch/s" "$scratch/asked"
    [ -z "$("$cajal" predict "$scratch/s" - </dev/null)" ]
    # a label behind the last tab is no part of the sentence, nor is a byte order mark before the first
    printf 'a fine day\nhow dull\n' >"$scratch/asked"
    "$cajal" predict "$scratch/s" "$scratch/asked" >"$scratch/plain"
    printf '\357\273\277a fine day\tbad\nhow dull\tgood\n' >"$scratch/asked"
    "$cajal" predict "$scratch/s" "$scratch/asked" | cmp - "$scratch/plain"
    for file in plain marked; do
        [ $file = plain ] || printf '\357\273\277' >"$scratch/$file.tsv"
        cat "$scratch/s.tsv" >>"$scratch/$file.tsv"
        "$cajal" train "$scratch/s.yaml" data.text="$scratch/$file.tsv" --no-save --quiet | grep sha256 >"$scratch/sum-$file"
    done
    cmp "$scratch/sum-plain" "$scratch/sum-marked"
else
    grep -q "this build" "$scratch/error"
fi

# masked sentences: what is told is of tokens that were masked
cat >"$scratch/masked.yaml" <<END
name: masked
data: {format: masked, text: $scratch/s.tsv, validation: 0.5, tokenizer: wordpiece, vocabulary: 60}
model: {name: bert, layers: 1, heads: 2, width: 8, block: 32}
training: {epochs: 1, batch_size: 6}
END
if "$cajal" train "$scratch/masked.yaml" --output "$scratch/masked" --quiet >"$scratch/out" 2>"$scratch/error"; then
    grep -q '^validation loss .* tokens$' "$scratch/out" && grep -q '^perplexity [0-9.]*$' "$scratch/out" || { cat "$scratch/out"; exit 1; }
    fails 0 '"perplexity": ' evaluate "$scratch/masked" --json
    ! grep -E 'r_squared|bits' "$scratch/out" || exit 1
    fails 2 'guesses tokens; of sentences' predict "$scratch/masked" "$scratch/s.tsv"
else
    grep -q "this build" "$scratch/error"
fi

# an archive of arrays: its own validation and test rows; the rows of an array come back as CSV
arrays=$source/tests/fixtures/numpy
cat >"$scratch/bright.yaml" <<END
name: bright
data: {file: $arrays/bright.npz}
model: [dense: 8, relu, dense: 2]
optimizer: {learning_rate: 0.01}
training: {epochs: 20, batch_size: 8}
END
if "$cajal" train "$scratch/bright.yaml" --output "$scratch/bright" --quiet --json >"$scratch/out" 2>"$scratch/error"; then
    grep -q '"accuracy": 1' "$scratch/out" || { cat "$scratch/out"; exit 1; }
    fails 0 "row,prediction,probability" predict "$scratch/bright" "$arrays/rows.npy"
    awk -F, 'NR > 1 && ($1 != NR - 2 || $2 != (NR - 2) % 2 || $3 < 0.5) { exit 1 } END { exit NR != 11 }' "$scratch/out"
    fails 0 '"input": "row 9"' predict "$scratch/bright" "$arrays/rows.npy" --json
    fails 1 "version-1.npy: found an array of [2,3], expected [N,2,3]" predict "$scratch/bright" "$arrays/version-1.npy"
else
    grep -q "this build has no zlib" "$scratch/error"
fi
fails 0 "saved in" train "$scratch/bright.yaml" "data.file=$arrays/keras.npz" --output "$scratch/keras" --quiet
grep -q 'scale: 1$' "$scratch/keras/recipe.yaml"
fails 1 "found no examples, expected arrays named train_images" train "$scratch/bright.yaml" "data.file=$arrays/stored.npz" --no-save

# the drawing after each pass, in each format
fails 0 "digraph" graph $small --format dot
fails 0 "chain" graph $small --after fuse --format text
grep -q 'product_chain' "$scratch/out"
fails 0 "matmul" graph $small --after simplify --format text
fails 2 "--after is 'lunch', but must be one of draw|simplify|fuse" graph $small --after lunch
fails 2 "--format is 'pdf'" graph $small --format pdf

# a language model of a text that says one thing again and again: learned by heart, told from any of its letters
i=0; while [ $i -lt 60 ]; do printf 'the cat sat on the mat. '; i=$((i + 1)); done >"$scratch/cat.txt"
cat >"$scratch/cat.yaml" <<END
name: cat
data: {text: $scratch/cat.txt, window: 24, windows: 400}
model: {name: gpt, layers: 1, heads: 2, width: 32}
training: {batch_size: 8, epochs: 3}
optimizer: {name: adamw, learning_rate: 0.01}
END
fails 0 "saved in" train "$scratch/cat.yaml" --output "$scratch/cat" --quiet
fails 0 "cat sat on the mat. the cat sat on the mat. the cat sat" generate "$scratch/cat" --prompt "cat" --temperature 0 --tokens 60
grep -q "^60 tokens, [0-9]* a second$" "$scratch/err"
fails 0 "the network sees 24 at once" generate "$scratch/cat" --prompt "cat sat on the mat. the cat sat on the mat. the" --tokens 3
fails 0 "mat. the cat" generate "$scratch/cat" --prompt "mat." --beams 3 --tokens 8 --quiet
# of more logits than there are tokens those behind are never drawn; a run's recipe that was cut short is none
fails 0 "saved in" train "$scratch/cat.yaml" model.classes=90 training.epochs=1 --output "$scratch/wide" --quiet
fails 0 "cat" generate "$scratch/wide" --prompt "cat" --temperature 1000 --tokens 200 --quiet
sed '$d' "$scratch/wide/recipe.yaml" >"$scratch/cut.yaml"
fails 2 "cut.yaml: cut short or added to: its first line says that the last is '# end'" check "$scratch/cut.yaml"
printf 'sat on' | "$cajal" generate "$scratch/cat" --prompt - --temperature 0 --tokens 9 --quiet >"$scratch/out"
grep -q "^sat on the mat\.$" "$scratch/out" || { cat "$scratch/out"; exit 1; }
for threads in 1 3; do
    "$cajal" generate "$scratch/cat" --prompt "t" --temperature 3 --seed 5 --threads $threads --quiet >"$scratch/drawn-$threads"
done
cmp "$scratch/drawn-1" "$scratch/drawn-3"
go_on() { "$cajal" generate "$scratch/cat" --prompt "cat" --tokens 30 --quiet "$@"; }
go_on --temperature 0 >"$scratch/likeliest"
go_on --temperature 3 --top-k 1 | cmp - "$scratch/likeliest"
go_on --temperature 3 | cmp -s - "$scratch/likeliest" && { echo "at temperature 3 the likeliest is drawn"; exit 1; }
go_on --temperature 0 --repetition-penalty 1 | cmp - "$scratch/likeliest"
go_on --temperature 0 --repetition-penalty 1000 | cmp -s - "$scratch/likeliest" && { echo "--repetition-penalty is not heeded"; exit 1; }
fails 1 "'X' (U+0058) is none of the 11 tokens" generate "$scratch/cat" --prompt "X"
fails 1 "U+000A" generate "$scratch/cat"
fails 2 "--temperature is 'hot', but must be a number from 0 to 1000" generate "$scratch/cat" --temperature hot
fails 2 "--top-p is '1.5'" generate "$scratch/cat" --top-p 1.5
fails 2 "name a run's folder" generate
mkdir "$scratch/weights" # a checkpoint of llama2.c lies where data does
cp "$source/fuzz/corpus/llama2c/whole" "$scratch/weights/whole.bin"
fails 0 "from: '$scratch/weights/whole.bin'" check weights/whole.bin
fails 1 "nothing.bin was not found: looked for nothing.bin (or nothing.bin.gz) in $scratch" generate nothing.bin
fails 2 "is no language model" generate "$scratch/bright"
fails 2 'goes on with texts: `cajal generate`' predict "$scratch/cat" "$scratch/cat.txt"
fails 2 "--top-k is for texts that are drawn" generate "$scratch/cat" --prompt "c" --beams 2 --top-k 3
fails 2 "--texts is for texts that are drawn" generate "$scratch/cat" --prompt "c" --beams 2 --texts 3
fails 2 "--length-penalty goes with --beams" generate "$scratch/cat" --prompt "c" --length-penalty 1
fails 2 "'data.text=new.txt' has no effect" generate "$scratch/cat" --prompt "c" data.text=new.txt
fails 0 "c" generate "$scratch/cat" --prompt "c" --tokens 1 data.invalid=replace
fails 1 "the prompt: line 1: 'X' (U+0058)" generate "$scratch/cat" --prompt "X"
# a vocabulary too small for the text: what a prompt has beyond it is told, unless --quiet
fails 0 "saved in" train "$scratch/cat.yaml" data.vocabulary=6 data.windows=40 training.epochs=1 --output "$scratch/few" --quiet
fails 0 "the network has never read all of 'Xat'; it goes on" generate "$scratch/few" --prompt "a Xat" --tokens 1
"$cajal" generate "$scratch/few" --prompt "a Xat" --tokens 1 --quiet 2>&1 | grep "never read" && exit 1
# words alone: a prompt of none has no token to begin with. What a run has saved is taken as it is, what is said is not
fails 0 "saved in" train "$scratch/cat.yaml" data.tokenizer=word data.window=8 data.windows=40 training.epochs=1 --output "$scratch/words" --quiet
fails 1 "the prompt has no tokens, and a text begins with one at least" generate "$scratch/words"
fails 1 "the prompt has no tokens" generate "$scratch/words" --prompt "  "
fails 0 "cat" generate "$scratch/words" --prompt "cat" --tokens 2
sed -i 's/^  longest: 0$/  longest: 3/; s/^  every: 0$/  every: 0/; s/^  name: constant$/  name: step/' "$scratch/words/recipe.yaml"
grep -q '^  longest: 3$' "$scratch/words/recipe.yaml"
fails 0 "cat" generate "$scratch/words" --prompt "cat" --tokens 2
fails 2 "override: data.longest is '4', which a plain text has no use for" evaluate "$scratch/words" data.longest=4

# an ensemble of networks for sentences without a test part: judged by its validation, each member a run by itself
printf 'good\tx\nbad\ty\nfine\tx\nworse\ty\n' >"$scratch/few.tsv"
printf 'data: {format: labelled, text: %s, tokenizer: word, validation: 0.5}\nmodel: {name: textcnn, width: 8, hidden: 4}\ntraining: {epochs: 1, batch_size: 2}\nensemble: {members: 2}\n' \
    "$scratch/few.tsv" >"$scratch/few.yaml"
fails 0 "member 2: validation accuracy" train "$scratch/few.yaml" --output "$scratch/pair" --quiet
grep -q "^validation loss .* of 2 examples" "$scratch/out" || { cat "$scratch/out"; exit 1; }
fails 0 "seed: 2" check "$scratch/pair/member-2/recipe.yaml"
fails 0 "validation loss" evaluate "$scratch/pair/member-2"
fails 0 "validation loss" evaluate "$scratch/pair"
fails 0 "trained in" train "$scratch/few.yaml" data.validation=0 --no-save --quiet
fails 1 "a text of one word comes by standard input: echo 'good' |" explain "$scratch/pair/member-1" good

printf '\357\273\277sat on' | "$cajal" generate "$scratch/cat" --prompt - --temperature 0 --tokens 9 --quiet >"$scratch/out"
grep -q "^sat on the mat\.$" "$scratch/out" || { cat "$scratch/out"; exit 1; }
printf '\357\273\277cat' | "$cajal" tokenize "$scratch/cat" --counts | grep -q "^tokens 3$"

# overrides may not make it another network than was trained, nor may its tokenizer or its recipe be gone
fails 0 "saved in" train "$scratch/cat.yaml" model.layers=2 data.windows=8 --output "$scratch/deep" --quiet
fails 2 "deep/model.safetensors: the network does not use the weights 'transformer.h.1." generate "$scratch/deep" --prompt "c" model.layers=1
grep -q " and [0-9]* more: it is another than was trained" "$scratch/err" || { cat "$scratch/err"; exit 1; }
fails 2 "deep/model.safetensors: the loaded weights have no 'transformer.h.2." generate "$scratch/deep" --prompt "c" model.layers=3
fails 2 "deep/model.safetensors: variable 'transformer" generate "$scratch/deep" --prompt "c" model.width=16
cp "$scratch/deep/recipe.yaml" "$scratch/recipe.yaml"
printf 'model: [\n' >"$scratch/deep/recipe.yaml"
fails 1 "recipe.yaml" generate "$scratch/deep" --prompt "c"
sed 's/layers: 2/layers: 1/' "$scratch/recipe.yaml" >"$scratch/deep/recipe.yaml"
fails 1 "the network does not use the weights" generate "$scratch/deep" --prompt "c"
cp "$scratch/recipe.yaml" "$scratch/deep/recipe.yaml"
fails 2 "did you mean" generate "$scratch/deep" --prompt "c" model.layer=2
rm "$scratch/deep/tokenizer.json"
fails 1 "deep/tokenizer.json is missing" generate "$scratch/deep" --prompt "c"
fails 2 "model.width is '32', but must be a multiple of model.heads" check "$scratch/cat.yaml" model.heads=3
fails 2 "did you mean 'llama'" check "$scratch/cat.yaml" model.name=lama
for key in data.tokenizer data.target_tokenizer; do
    fails 2 "$key is 'foo', but must be character, byte" train "$scratch/cat.yaml" $key=foo --no-save
done

# the same text by lists of layers, which read their window anew for each token, beyond its end too
for layers in "lstm: {units: 32, return: all}" "learned_positions: 24, transformer_encoder: {heads: 2, causal: true}"; do
    model="[embedding: 16, $layers, dense: {units: 11, flatten: false}]"
    sed "s/^model:.*/model: $model/" "$scratch/cat.yaml" >"$scratch/list.yaml"
    fails 0 "saved in" train "$scratch/list.yaml" --output "$scratch/list" --quiet
    fails 0 "cat sat on the mat. the cat sat on the mat. the cat sat" generate "$scratch/list" --prompt "cat" --temperature 0 --tokens 60
    fails 0 "mat. the cat" generate "$scratch/list" --prompt "mat." --beams 3 --tokens 8 --quiet
    rm -r "$scratch/list"
done
sed 's/^model:.*/model: [embedding: 16, lstm: {units: 8, return: all, stateful: true}, dense: {units: 11, flatten: false}]/; s/windows: 400/order: lanes/; s/epochs: 3/epochs: 1/' "$scratch/cat.yaml" >"$scratch/list.yaml"
fails 0 "saved in" train "$scratch/list.yaml" --output "$scratch/list" --quiet
fails 1 "layer 1 is stateful" generate "$scratch/list" --prompt "cat"

# names, a line each: every text made is one of them, with a prompt before it or not
i=0; while [ $i -lt 30 ]; do echo anna; echo otto; i=$((i + 1)); done >"$scratch/names.txt"
cat >"$scratch/names.yaml" <<END
name: names
data: {text: $scratch/names.txt, format: lines, split: random}
model: {name: mlp, block: 4, width: 8, hidden: 32}
training: {batch_size: 4, epochs: 12}
optimizer: {learning_rate: 0.03}
END
fails 0 "saved in" train "$scratch/names.yaml" --output "$scratch/names" --quiet
"$cajal" generate "$scratch/names" --quiet >"$scratch/out"
test "$(grep -cE '^(anna|otto)$' "$scratch/out")" -eq 10
grep -q anna "$scratch/out" && grep -q otto "$scratch/out"
test "$("$cajal" generate "$scratch/names" --quiet --prompt ot --texts 2 --temperature 0 | tr '\n' ' ')" = "otto otto "
for penalty in 0 100; do "$cajal" generate "$scratch/names" --quiet --prompt ot --beams 3 --tokens 9 --length-penalty $penalty; done >"$scratch/out"
[ "$(head -1 "$scratch/out")" = otto ] && [ "$(tail -1 "$scratch/out" | wc -c)" -gt 5 ] || { cat "$scratch/out"; exit 1; }

# what it hangs on: pages that load nothing, a picture for each attention, which a perceptron has not
printf 'cat sat on the mat. the' >"$scratch/mat.txt"
fails 0 "mat-gradient-input.html" explain "$scratch/cat" "$scratch/mat.txt" --out "$scratch/why"
fails 0 '"layer": "transformer.h.0.attn", "file": "' explain "$scratch/cat" "$scratch/mat.txt" --out "$scratch/why" --json
grep -q 'data-v="[-0-9 ]*"' "$scratch/why/mat-gradient-input.html" && grep -q "</html>" "$scratch/why/mat-gradient-input.html"
grep -qE 'https?:|src=' "$scratch/why/mat-gradient-input.html" && exit 1
head -c 8 "$scratch/why/mat-attention-1.png" | grep -q PNG
fails 2 "--method cells is for recurrent networks" explain "$scratch/cat" "$scratch/mat.txt" --out "$scratch/why" --method cells
fails 2 "--layer is for pictures" explain "$scratch/cat" "$scratch/mat.txt" --layer 1
fails 2 "--class is for networks that tell classes" explain "$scratch/cat" "$scratch/mat.txt" --class 1
fails 2 "--cells is for texts" explain "$scratch/bright" "$scratch/mat.txt" --cells 1
: >"$scratch/file"
fails 1 "Not a directory" explain "$scratch/cat" "$scratch/mat.txt" --out "$scratch/file/why" --method gradient-input
fails 2 "--method saliency is for pictures" explain "$scratch/cat" "$scratch/mat.txt" --method saliency
fails 2 "--method attention is for texts" explain "$scratch/bright" "$scratch/mat.txt" --method attention
: >"$scratch/empty.txt"
fails 1 "there is no text in it" explain "$scratch/cat" "$scratch/empty.txt" --out "$scratch/why"
fails 0 "names-gradient-input.html" explain "$scratch/names" "$scratch/names.txt" --out "$scratch/why"
fails 1 "has no attention that could be looked at" explain "$scratch/names" "$scratch/names.txt" --out "$scratch/why" --method attention
"$cajal" train "$scratch/names.yaml" model.name=gru model.layers=1 model.block=0 model.hidden=0 training.epochs=1 --output "$scratch/gru" --quiet >"$scratch/out" 2>&1
fails 0 "names-cells.html" explain "$scratch/gru" "$scratch/names.txt" --out "$scratch/why" --cells 3
[ "$(grep -c '<h2>cell [0-9]* of layer 1</h2>' "$scratch/why/names-cells.html")" = 3 ]
i=0; while [ $i -lt 20 ]; do printf 'a good film\tgood\na bad film\tbad\n'; i=$((i + 1)); done >"$scratch/films.tsv"
cat >"$scratch/films.yaml" <<END
name: films
data: {text: $scratch/films.tsv, format: labelled, tokenizer: word, split: random}
model: [embedding: 4, lstm: 4, dense: 2]
training: {epochs: 8, batch_size: 4}
optimizer: {learning_rate: 0.03}
END
fails 0 "saved in" train "$scratch/films.yaml" --output "$scratch/films" --quiet
printf 'a bad film\na good film\n' >"$scratch/two.txt"
fails 0 "two-gradient-input.html" explain "$scratch/films" "$scratch/two.txt" --out "$scratch/why"
[ "$(sed -n 's/^<h2>class \([a-z]*\), probability 0\.[0-9]*<.*/\1/p' "$scratch/why/two-gradient-input.html" | tr '\n' ' ')" = "bad good " ]
# as much of a long sentence is explained as predict takes: all of it, or what data.longest and a block leave
as_predicted() { # RUN: the same class, with the same probability
    fails 0 "long-" explain "$1" "$scratch/long.txt" --out "$scratch/why"
    "$cajal" predict "$1" "$scratch/long.txt" >"$scratch/out"
    grep -qF "<h2>$(sed 's/^/class /; s/ \(0\.[0-9]*\)$/, probability \1/' "$scratch/out")</h2>" "$scratch/why/long-gradient-input.html" || { cat "$scratch/out"; exit 1; }
}
{ printf 'bad '; i=0; while [ $i -lt 110 ]; do printf 'a good film '; i=$((i + 1)); done; } >"$scratch/long.txt"
sed 's/^model: .*/model: {name: textcnn, width: 4, hidden: 4}/' "$scratch/films.yaml" >"$scratch/filters.yaml"
for longest in 0 20; do
    "$cajal" train "$scratch/filters.yaml" training.epochs=1 data.longest=$longest --output "$scratch/cut-$longest" --quiet >"$scratch/out" 2>&1
    as_predicted "$scratch/cut-$longest"
    [ $longest = 0 ] && continue
    fails 0 "long.txt: sentences cut to the 20 tokens that the network takes: 1" predict "$scratch/cut-20" "$scratch/long.txt"
    fails 0 "long.txt: line 1: of its 331 tokens the network takes 20" explain "$scratch/cut-20" "$scratch/long.txt" --out "$scratch/why"
done
sed -i 's/^model: .*/model: {name: bert, layers: 1, heads: 2, width: 8, block: 16}/; s/tokenizer: word,/tokenizer: wordpiece, vocabulary: 40,/' "$scratch/filters.yaml"
"$cajal" train "$scratch/filters.yaml" --output "$scratch/bert" --quiet >"$scratch/out" 2>&1
as_predicted "$scratch/bert"
"$cajal" train "$scratch/filters.yaml" data.format=masked --output "$scratch/guessed" --quiet >"$scratch/out" 2>&1
fails 0 "two-attention-2.png" explain "$scratch/guessed" "$scratch/two.txt" --out "$scratch/why"
[ "$(grep -c '<h2>5 tokens; the last 5 can be pointed at</h2>' "$scratch/why/two-gradient-input.html")" = 2 ]
fails 0 "long-attention-1.png" explain "$scratch/guessed" "$scratch/long.txt" --out "$scratch/why"
printf 'a bad film\n\na \377 film\n' >"$scratch/bytes.txt"
fails 1 "bytes.txt: line 3: found byte 0xff" explain "$scratch/films" "$scratch/bytes.txt" --out "$scratch/why"
fails 1 "bytes.txt: line 3: found byte 0xff" tokenize "$scratch/films" "$scratch/bytes.txt"
fails 1 "bytes.txt: line 3: found byte 0xff" tokenize --train word --out "$scratch/words.json" "$scratch/bytes.txt"
fails 1 "two.txt: line 1: found 'a'" tokenize "$scratch/films" --decode "$scratch/two.txt"
# explained is what stands before the label, and behind a byte order mark
fails 0 "two-gradient-input.html" explain "$scratch/films" "$scratch/two.txt" --out "$scratch/why"
cp "$scratch/why/two-gradient-input.html" "$scratch/unlabelled.html"
printf '\357\273\277a bad film\tgood\na good film\tbad\n' >"$scratch/two.txt"
fails 0 "two-gradient-input.html" explain "$scratch/films" "$scratch/two.txt" --out "$scratch/why" training.precision=highest
cmp "$scratch/why/two-gradient-input.html" "$scratch/unlabelled.html"
printf 'a bad film\na good film\n' >"$scratch/two.txt"
fails 2 "--class is 'middling', but must be one of the 2 classes" explain "$scratch/films" "$scratch/two.txt" --out "$scratch/why" --class middling
[ "$(cat "$scratch/out" "$scratch/err" | wc -l)" = 2 ] || { cat "$scratch/out" "$scratch/err"; exit 1; } # the file, and one sentence
fails 0 "bad 0." predict "$scratch/films" "$scratch/two.txt"
answer=$(head -n 1 "$scratch/out") # a sentence's answer does not hang on the length of its neighbours
printf 'a bad film\na good film a good film a good film a good film\n' >"$scratch/long.txt"
fails 0 "$answer" predict "$scratch/films" "$scratch/long.txt"
sed 's/embedding: 4/embedding: {width: 4, vocabulary: 5}/' "$scratch/films.yaml" >"$scratch/small.yaml"
fails 2 "the embedding has a vocabulary of 5, but the text has" train "$scratch/small.yaml" --output "$scratch/small"
fails 2 "model.hidden is '0', but must be 1 or more" check "$scratch/names.yaml" model.hidden=0
fails 2 "how many tokens are seen" check "$scratch/names.yaml" model.block=5000
fails 0 "weights: 16 loaded" generate "$scratch/cat.yaml" "weights.from=$scratch/cat" --prompt "on" --tokens 1
