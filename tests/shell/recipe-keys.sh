#!/bin/sh
# docs/recipes.md has a line for every key that a recipe may have.
# level: quick
set -eu
missing=0
for key in $(sed -n 's/^ *X([a-z_0-9]*, "\([a-z_.0-9]*\)".*/\1/p' "$source/src/recipe/recipe.h"); do
    grep -qF "\`$key\`" "$source/docs/recipes.md" || { echo "docs/recipes.md says nothing of '$key'"; missing=1; }
done
exit $missing
