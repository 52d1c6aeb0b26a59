#!/bin/sh
# Transfer learning as a user meets it: a recipe that begins with a run's weights, freezes, thaws and has rates of
# its own for the head; evaluate and predict by a recipe alone; the mistakes one makes in it.
# level: quick
set -eu
cajal=$build/cajal
. "$source/tests/shell/support/fails.sh"
"$cajal" check "$source/recipes/mnist-mlp.yaml" 2>&1 | grep -q 'this build reads no recipes' && exit 77

# a small set: 40 bright or dark pictures of 2 by 2, in the files of MNIST
mkdir -p "$scratch/mnist"
for part in train t10k; do
    { printf '\0\0\10\3\0\0\0\50\0\0\0\2\0\0\0\2'; i=0; while [ $i -lt 20 ]; do printf '\372\373\374\375\1\2\3\4'; i=$((i + 1)); done; } \
        >"$scratch/mnist/$part-images-idx3-ubyte"
    { printf '\0\0\10\1\0\0\0\50'; i=0; while [ $i -lt 20 ]; do printf '\1\0'; i=$((i + 1)); done; } >"$scratch/mnist/$part-labels-idx1-ubyte"
done
export CAJAL_DATA="$scratch"
cat >"$scratch/source.yaml" <<END
name: source
data: {validation: 0.2}
model: [dense: 8, relu, dense: 6, relu, dense: 10]
training: {epochs: 12, batch_size: 8}
optimizer: {learning_rate: 0.01}
END
fails 0 "test accuracy 100.00 %" train "$scratch/source.yaml" --output "$scratch/source" --quiet
digest() { sed -n 's/.*"weights_sha256": "\([0-9a-f]*\)".*/\1/p' "$scratch/out"; }
fails 0 '"weights_sha256"' evaluate "$scratch/source" --json
trained=$(digest)

# the same weights by a recipe: by the run's folder and by its file
{ cat "$scratch/source.yaml"; echo "weights: {from: $scratch/source}"; } >"$scratch/same.yaml"
fails 0 "weights: 6 loaded from $scratch/source/model.safetensors" evaluate "$scratch/same.yaml"
grep -q 'test accuracy 100.00 % of 40' "$scratch/out"
fails 0 '"weights_sha256"' evaluate "$scratch/same.yaml" --json "weights.from=$scratch/source/model.safetensors"
[ "$(digest)" = "$trained" ] || { echo "other weights than the run's"; exit 1; }
grep -q '"folder"' "$scratch/out" && { echo "a recipe is no folder"; exit 1; }
printf 'P5 2 2 255\n\372\373\374\375' >"$scratch/bright.pgm"
fails 0 "bright.pgm: 1" predict "$scratch/same.yaml" "$scratch/bright.pgm"
fails 2 "the recipe names no weights" evaluate "$scratch/source.yaml"
fails 1 "nothing.pt was not found" evaluate "$scratch/same.yaml" weights.from=nothing.pt

# a new head, the rest frozen for a while
cat >"$scratch/transfer.yaml" <<END
name: transfer
data: {validation: 0.2}
weights: {from: $scratch/source, map: {'0.': '0.', '*.gamma': '*.weight'}, skip: ['4.*']}
model: [dense: 8, relu, dense: 6, relu, dense: 2]
training: {epochs: 6, batch_size: 8, unfreeze: [{epoch: 5, parameters: '2.*'}]}
optimizer: {learning_rate: 0.01, freeze: ['*', '!4.*'], groups: [{parameters: '4.*', learning_rate: 0.05}, {parameters: '*.bias', weight_decay: 0.1}]}
END
fails 0 "saved in" train "$scratch/transfer.yaml" --output "$scratch/transfer"
grep -q 'weights: 4 loaded from' "$scratch/err"
grep -q "2 left out: '4.weight', '4.bias'" "$scratch/err"
grep -q 'epoch 5: more of the network is trained from here on' "$scratch/err"
grep -q 'test accuracy 100.00 %' "$scratch/out" || { cat "$scratch/out"; exit 1; }
fails 0 "100.00 %" evaluate "$scratch/transfer"
fails 0 "data:" check "$scratch/transfer/recipe.yaml"
cmp "$scratch/out" "$scratch/transfer/recipe.yaml"
"$cajal" train "$scratch/transfer/recipe.yaml" --no-save --quiet | grep 'weights sha256' >"$scratch/again"
"$cajal" train "$scratch/transfer.yaml" --no-save --quiet | grep 'weights sha256' | cmp - "$scratch/again"

# what is frozen costs nothing, and is told
"$cajal" summary "$scratch/transfer.yaml" | grep -q "^frozen of these  *94$" || { echo "94 frozen parameters are not told"; exit 1; }
whole=$("$cajal" plan "$scratch/transfer.yaml" optimizer.freeze= training.unfreeze= | wc -l)
part=$("$cajal" plan "$scratch/transfer.yaml" | wc -l)
[ "$part" -lt "$whole" ] || { echo "a frozen network has $part steps, a whole one $whole"; exit 1; }

# mistakes
t=$scratch/transfer.yaml
fails 2 "2 have another shape or type: '4.weight' (f32 [10,6] there, f32 [2,6] here)" train "$t" --no-save weights.skip=
fails 2 "6 of the network's weights are not in it" evaluate "$scratch/same.yaml" weights.map==x.
fails 2 "freeze: no weight fits the pattern 'body.*'" train "$t" --no-save 'optimizer.freeze=body.*' training.unfreeze=
fails 2 "each side may have one" train "$t" --no-save 'weights.map=*.*=a'
fails 2 "optimizer.groups is 'parameters=4.*;rate=1', but must be a list of mappings with the fields of parameters|learning_rate|weight_decay|name" \
    check "$t" 'optimizer.groups=parameters=4.*;rate=1'
for group in 'learning_rate=0' 'name=nothing' 'momentum=0.9' 'name=sgd;keep_norm=true' 'name=muon;iterations=1.5' 'name=sgd;nesterov=yes'; do
    fails 2 "learning_rate\` above 0, \`weight_decay\` or the \`name\` of an optimizer" check "$t" "optimizer.groups=parameters=4.*;$group"
done
fails 2 "optimizer: nesterov needs a momentum" train "$t" --no-save 'optimizer.groups=parameters=4.*;name=sgd;nesterov=true'

# a group of another optimizer
"$cajal" train "$t" --no-save --quiet 'optimizer.groups=parameters=4.weight;name=muon;learning_rate=0.01;momentum=0.6;iterations=3;keep_norm=true' |
    grep 'weights sha256' >"$scratch/muon"
! "$cajal" train "$t" --no-save --quiet | grep 'weights sha256' | cmp -s - "$scratch/muon" || { echo "Muon moved nothing"; exit 1; }
fails 2 "training.unfreeze is 'epoch=0;parameters=2.*', but must be" check "$t" 'training.unfreeze=epoch=0;parameters=2.*'
fails 2 "training.freeze is 'epoch=0;parameters=2.*', but must be" check "$t" 'training.freeze=epoch=0;parameters=2.*'
fails 2 "weights.map is 'a', but must be a mapping" check "$t" weights.map=a
printf 'weights: {map: [a]}\n' >"$scratch/bad.yaml"
fails 2 "bad.yaml:1: a mapping was expected here" check "$scratch/bad.yaml"
printf 'optimizer: {groups: {parameters: a}}\n' >"$scratch/bad.yaml"
fails 2 "bad.yaml:1: a list of mappings was expected here" check "$scratch/bad.yaml"
printf 'weights: {map: {a: "b,c"}}\n' >"$scratch/bad.yaml"
fails 2 "a mapping here is of plain values without" check "$scratch/bad.yaml"
fixtures=$source/tests/fixtures/pytorch
fails 1 "command.pt: data.pkl: byte" evaluate "$scratch/same.yaml" "weights.from=$fixtures/command.pt"
grep -q 'refused to use posix.system' "$scratch/err"
