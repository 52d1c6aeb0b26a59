# Completion of the command line, as the shells are given it: what bash offers at each place, that it knows every
# command, option and key there is, and that zsh and fish can read theirs.
# level: quick
set -eu
files=$build/completion
[ -d "$files" ] || { echo "completion is not built where what was compiled cannot run"; exit 77; }
command -v bash >/dev/null || { echo "bash is not installed"; exit 77; }
cd "$scratch"
mkdir -p recipes/more runs/first runs/second empty
touch recipes/mnist-mlp.yaml recipes/mnist-4x64.yaml recipes/readme.txt runs/first/recipe.yaml runs/second/recipe.yaml \
    "two words.png"

# What bash offers, sorted, in one line. Words are cut at "=" as readline cuts them.
cat >"$scratch/offer.bash" <<'END'
source "$1/cajal.bash"
shift
COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
_cajal 2>/dev/null
printf '%s\n' "${COMPREPLY[@]}" | LC_ALL=C sort | paste -sd ' '
END
wrong=0
offers() { # EXPECTED WORD...
    expected=$1
    shift
    found=$(bash --norc "$scratch/offer.bash" "$files" "$@")
    [ "$found" = "$expected" ] || { echo "'$*' offers '$found', expected '$expected'"; wrong=1; }
}
offers "train translate" cajal tr
offers "--help" cajal --h
offers "--output" cajal train --o
offers "--help --json --part --quiet --threads" cajal evaluate runs/first --
offers "test" cajal evaluate --part te
offers "draw fuse simplify" cajal graph --after ""
offers "mermaid" cajal graph --format = m
offers "recipes" cajal train re
offers "recipes/mnist-4x64.yaml recipes/mnist-mlp.yaml recipes/more" cajal train recipes/
offers "recipes/mnist-mlp.yaml" cajal summary --seed 3 recipes/mnist-m
offers "training.epochs=" cajal train recipes/mnist-mlp.yaml training.ep
offers "training.epochs=" cajal train --quiet recipes/mnist-mlp.yaml training.seed = 3 training.ep
offers "" cajal train recipes/mnist-mlp.yaml training.epochs = 1
offers "adagrad adam adamw" cajal train recipes/mnist-mlp.yaml optimizer.name = ad
offers "constant cosine" cajal check recipes/mnist-mlp.yaml schedule.name = co
offers "false true" cajal check recipes/mnist-mlp.yaml checkpoint.best =
offers "empty recipes runs runs/first runs/second" cajal evaluate ""
offers "runs/second" cajal evaluate runs/s
offers "runs/first" cajal train --resume runs/f
offers "training.epochs=" cajal train --resume runs/first training.ep
offers "empty" cajal train --output em
offers "two words.png" cajal predict runs/first tw
offers "two words.png" cajal explain runs/first tw
offers "grad-cam gradient-input" cajal explain --method gr
offers "two words.png" cajal predict runs/first a.png tw
offers "empty" cajal runs e
offers "" cajal runs empty e
offers "graph" cajal help gr
offers "training" cajal bench tr
offers "matmul" cajal bench training --threads 2 ma
offers "high highest" cajal bench --precision hi
offers "resnet101 resnet110_cifar resnet152 resnet18 resnet18_cifar" cajal summary --model resnet1
offers "--model --models" cajal summary --mo
offers "" cajal summary --model lenet5 re
offers "airbench94 alexnet alexnet_cifar alexnet_lrn" cajal train recipes/mnist-mlp.yaml model.name = a
offers "" cajal train recipes/mnist-mlp.yaml model.name = un
offers "verify" cajal data ver
offers "ml-100k mnist multi30k" cajal data get orl m
offers "fashion-mnist" cajal data verify fa
offers "" cajal nonsense ""

# bash knows what there is
bash -c 'source "$1/cajal.bash"; _cajal_commands' - "$files" | tr ' ' '\n' >"$scratch/a"
"$build/cajal" help | sed -n 's/^  \([a-z]*\) .*/\1/p' >"$scratch/b"
diff "$scratch/a" "$scratch/b" || { echo "commands of the completion (<) and of cajal help (>) differ"; wrong=1; }
while read -r command; do
    bash -c 'source "$1/cajal.bash"; _cajal_options "$2"' - "$files" "$command" | tr -d '=' | tr ' ' '\n' >"$scratch/a"
    "$build/cajal" "$command" --help | sed -n 's/^  \(--[a-z-]*\).*/\1/p' >"$scratch/c"
    diff "$scratch/a" "$scratch/c" || { echo "options of $command in the completion (<) and in --help (>) differ"; wrong=1; }
done <"$scratch/b"
bash -c 'source "$1/cajal.bash"; _cajal_keys' - "$files" | tr -d '=' | tr ' ' '\n' >"$scratch/a"
sed -n 's/^ *X([a-z_0-9]*, "\([a-z_.0-9]*\)".*/\1/p' "$source/src/recipe/recipe.h" >"$scratch/b"
diff "$scratch/a" "$scratch/b" || { echo "keys of the completion (<) and of recipes (>) differ"; wrong=1; }

# the others can be read; what fish offers can be asked for
if command -v zsh >/dev/null; then zsh -n "$files/_cajal" || wrong=1; fi
if command -v fish >/dev/null; then
    fish --no-execute "$files/cajal.fish" || wrong=1
    export HOME="$scratch"
    for asked in "cajal trai|train" "cajal train --no|--no-save" "cajal graph --after fu|fuse" "cajal bench inf|inference" "cajal summary --model une|unet" "cajal data get mul|multi30k" \
        "cajal train recipes/mnist-mlp.yaml optimizer.name=mu|optimizer.name=muon"; do
        fish --no-config -c "source $files/cajal.fish; complete -C '${asked%|*}'" 2>&1 | grep -q -- "^${asked#*|}" ||
            { echo "fish does not complete '${asked%|*}'"; wrong=1; }
    done
fi
exit $wrong
