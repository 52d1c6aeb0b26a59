# Networks by name on the command line: the table of docs/models.md agrees with what the command counts, one network is
# shown layer by layer, and what does not fit is told; the program in C that stands there compiles and learns.
# level: quick
set -eu
cajal=$build/cajal
table=$source/docs/models.md
"$cajal" summary --models >"$scratch/list"
sed -n '2,/^$/p' "$scratch/list" | sed '/^$/d' | awk '{ print $1, $2, $3, $4 }' >"$scratch/a"
awk -F ' *\\| *' '/^\| `/ { gsub("`", "", $2); gsub("×", "x", $4); print $2, $4, $5, $6 }' "$table" >"$scratch/b"
[ "$(wc -l <"$scratch/a")" -ge 50 ] || { echo "cajal summary --models lists too few networks"; exit 1; }
diff "$scratch/a" "$scratch/b" || { echo "cajal summary --models (<) and docs/models.md (>) differ"; exit 1; }
! grep '✓' "$table" | sed -n 's/^| `\([a-z0-9_]*\)`.*/\1/p' | while read -r name; do
    grep -q "^$name " "$source/tests/fixtures/networks.txt" || echo "$name"
done | grep . || { echo "these are said to be torchvision's, and are not compared"; exit 1; }

# networks for texts: named by the command behind those that see, and by the documents
sed -n '/^Networks for texts/,$p' "$scratch/list" | sed 1d | tr -d ',' | tr ' ' '\n' >"$scratch/texts"
[ "$(wc -l <"$scratch/texts")" -ge 13 ] || { echo "cajal summary --models names too few networks for texts"; exit 1; }
while read -r name; do
    grep -q "\`$name\`" "$table" && grep -q "\`$name\`" "$source/docs/recipes.md" || echo "$name"
done <"$scratch/texts" | grep . && { echo "these are not in docs/models.md and docs/recipes.md"; exit 1; }

says() { # CODE TEXT ARGUMENTS...
    code=$1 text=$2 got=0
    shift 2
    "$cajal" summary "$@" >"$scratch/out" 2>&1 </dev/null || got=$?
    [ "$got" = "$code" ] || { echo "cajal summary $*: exit $got, not $code"; cat "$scratch/out"; exit 1; }
    grep -qF -- "$text" "$scratch/out" || { echo "cajal summary $*: no '$text' in:"; cat "$scratch/out"; exit 1; }
}
says 0 "25,557,032 parameters" --model resnet50 --input 224x224x3
grep -q '^total .* 25,557,032 ' "$scratch/out" || { echo "resnet50: no total"; cat "$scratch/out"; exit 1; }
grep -q '^layer4.2.conv3 (conv2d)  *\[1,7,7,2048\]  *1,048,576  *51,380,224$' "$scratch/out" || { cat "$scratch/out"; exit 1; }
says 0 "82,826 parameters" --model lenet5 --input 32x32x1 --classes 10
says 0 "[1,40,24,3]" --model unet --input 40x24 --classes 3
says 2 "--input is '224x224x'" --model resnet50 --input 224x224x
says 2 "--input is '224'" --model resnet50 --input 224
says 2 "--input is '0x224'" --model resnet50 --input 0x224
says 2 "--input is '224x224x3x1'" --model resnet50 --input 224x224x3x1
says 2 "--input is '-3x224'" --model resnet50 --input=-3x224
says 2 "--input is '99999999999999999999x224'" --model resnet50 --input 99999999999999999999x224
says 0 "57,016,131 parameters" --model alexnet --input 63x63 --classes 3
says 2 "did you mean 'resnet50'?" --model resnet5
says 2 'gpt is a network for texts, drawn for a recipe that names its sizes and data: `cajal summary RECIPE`' --model gpt
says 2 'gru-attention is a network for texts' --model gru-attention
says 1 "a window of 3 does not fit" --model inception_v3 --input 32x32
says 2 "takes no recipe, but found 'a.yaml'" --model resnet50 a.yaml
says 2 "takes no recipe, but found 'a.yaml'" --models a.yaml
says 2 "--input says how" --input 224x224
says 2 "--classes says how" "$source/recipes/mnist-mlp.yaml" --classes 3

# of the blocks of C the last is a whole program
sed -n '/^```c$/,/^```$/{/^```/!p}' "$table" | sed -n '/^#include/,$p' >"$scratch/reader.c"
${CC:-cc} -std=c17 -Wall -Wextra -Wpedantic -Werror -I"$source/include" "$scratch/reader.c" -o "$scratch/reader" \
    -L"$build" -lcajal -lm -Wl,-rpath,"$build" || { echo "the program in docs/models.md does not compile"; exit 1; }
"$scratch/reader" >"$scratch/out" || { echo "the program in docs/models.md fails"; exit 1; }
awk '{ loss[NR] = $NF } END { exit !(NR == 2 && loss[2] < loss[1] / 10) }' "$scratch/out" || { cat "$scratch/out"; exit 1; }
