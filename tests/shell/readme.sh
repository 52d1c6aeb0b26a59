# What README.md shows is so: its C program compiles, and prints what it says, and the examples and the command print
# what stands there. Where numbers depend on the instruction set or on time, only the form is compared.
# level: quick
set -eu
readme=$source/README.md
wrong=0
complain() {
    echo "$1"
    wrong=1
}
# Lines of README's indented blocks, without indentation; digits become 9 and repeat.
shown() { sed -n 's/^    //p' "$readme"; }
form() {
    sed 's/[0-9a-f]\{64\}/digest/; s/-\{0,1\}[0-9][0-9.]*/9/g; s/  */ /g
        s/^ 9 [a-zA-Z/ -]* \(9 9 9 9\)$/ 9 \1/' # digits have no names
}
shown | form >"$scratch/shown"
there() { # WHAT FILE: each line of FILE stands in README, whatever its numbers
    form <"$2" | while IFS= read -r line; do
        grep -qxF -- "$line" "$scratch/shown" || echo "$1 prints what README.md does not show: $line"
    done >"$scratch/missing"
    [ ! -s "$scratch/missing" ] || { cat "$scratch/missing"; wrong=1; }
}

# the C program
sed -n '/^```c$/,/^```$/{/^```/!p}' "$readme" >"$scratch/clothes.c"
lines=$(grep -c . "$scratch/clothes.c")
[ "$lines" -ge 20 ] && [ "$lines" -le 32 ] || complain "README's program in C has $lines lines, wanted about thirty"
${CC:-cc} -std=c17 -Wall -Wextra -Wpedantic -Werror -I"$source/include" "$scratch/clothes.c" -o "$scratch/clothes" \
    -L"$build" -lcajal -Wl,-rpath,"$build" || complain "README's program in C does not compile"
if [ -e /usr/share/datasets/fashion-mnist ] && [ $wrong -eq 0 ]; then
    accuracy=$("$scratch/clothes" | sed -n 's/^test accuracy \([0-9]*\)\.[0-9]* %$/\1/p')
    [ "${accuracy:-0}" -ge 84 ] || complain "README's program in C reaches ${accuracy:-no} % on Fashion-MNIST"
fi

# the neuron's own numbers are the same everywhere, those of a training are not
"$build/examples/neuron" >"$scratch/out"
grep '^step [0-9]: ' "$scratch/out" | while IFS= read -r line; do
    shown | grep -qxF -- "$line" || { echo "examples/neuron prints what README.md does not show: $line"; exit 1; }
done || wrong=1
sed -n '/^two moons/,$p' "$scratch/out" >"$scratch/moons"
there examples/neuron "$scratch/moons"

set=
for name in mnist fashion-mnist; do
    if [ -z "$set" ] && "$build/examples/mnist_mlp" $name >"$scratch/out" 2>/dev/null; then set=$name; fi
done
[ -z "$set" ] || there examples/mnist_mlp "$scratch/out"
[ "$(wc -l <"$source/examples/mnist_mlp.c")" -le 40 ] || complain "examples/mnist_mlp.c is longer than 40 lines"
if [ -n "$set" ] && "$build/cajal" version | grep -q 'libyaml *[0-9]'; then
    "$build/cajal" train "$source/recipes/fashion-mnist-mlp.yaml" data.name=$set training.epochs=1 --no-save >"$scratch/out" 2>&1
    # the matrix is wider or narrower with other numbers
    sed -n '/^confusion/q; /^Epoch 1/s/Epoch 1\/1 /Epoch 1\/5 /; /./p' "$scratch/out" >"$scratch/screen"
    there "cajal train" "$scratch/screen"
fi

# every file and folder it names is there
for file in $(grep -o '`[a-zA-Z_/]*/[a-zA-Z_./-]*`' "$readme" | tr -d '`' | grep -v '^runs/\|^build/\|CAJAL_DATA'); do
    [ -e "$source/$file" ] || complain "README.md names $file, which is not there"
done
exit $wrong
