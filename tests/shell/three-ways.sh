#!/bin/sh
# The same job three ways - a recipe, a list of layers, a forward function and a loop - ends with the same bits, and
# a different seed with others.
# level: quick
set -eu
"$build/cajal" version | grep -q 'libyaml *[0-9]' || exit 77
set=
for name in mnist fashion-mnist; do
    if "$build/cajal" summary "$source/recipes/mnist-mlp.yaml" data.name=$name >/dev/null 2>&1; then set=$name; break; fi
done
[ -n "$set" ] || { echo "neither MNIST nor Fashion-MNIST is there"; exit 77; }
digest() { sed -n 's/^weights sha256 //p'; }
recipe=$("$build/cajal" train "$source/recipes/mnist-mlp.yaml" data.name=$set --no-save --quiet | digest)
list=$("$build/examples/mnist_mlp" $set | digest)
scratch_way=$("$build/examples/mnist_from_scratch" $set | digest)
other=$("$build/cajal" train "$source/recipes/mnist-mlp.yaml" data.name=$set training.epochs=1 --seed 2 --no-save --quiet | digest)
[ ${#recipe} -eq 64 ] || { echo "no digest of the recipe's weights"; exit 1; }
[ "$recipe" = "$list" ] || { echo "recipe $recipe, list of layers $list"; exit 1; }
[ "$recipe" = "$scratch_way" ] || { echo "recipe $recipe, from scratch $scratch_way"; exit 1; }
[ "$recipe" != "$other" ] || { echo "another seed gives the same weights"; exit 1; }
