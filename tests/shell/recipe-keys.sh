#!/bin/sh
# docs/recipes.md has a line for every key that a recipe may have, and for every network by name with the keys that
# it takes.
# level: quick
set -eu
missing=0
for key in $(sed -n 's/^ *X([a-z_0-9]*, "\([a-z_.0-9]*\)".*/\1/p' "$source/src/recipe/recipe.h"); do
    grep -qF "\`$key\`" "$source/docs/recipes.md" || { echo "docs/recipes.md says nothing of '$key'"; missing=1; }
done
networks=$(cat "$source"/src/recipe/*.c | grep -o '{"[a-z-]*", "classes[a-z_|]*"}' | tr -d '{}", ' | sed 's/classes/ /')
[ -n "$networks" ] || { echo "no networks are found in src/recipe"; missing=1; }
while read -r network keys; do
    keys=$(echo "${keys#|}" | sed 's/|/`, `/g')
    row="| \`$network\` | ${keys:+\`$keys\`}"
    grep -qF "${row% } " "$source/docs/recipes.md" || { echo "docs/recipes.md has no row: $row"; missing=1; }
done <<END
$networks
END
exit $missing
