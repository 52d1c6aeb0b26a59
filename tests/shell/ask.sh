#!/bin/sh
# A small world of people and rooms, learned from stories in bAbI's format and asked about: answers, the facts attended to, words that
# nobody has said, as a file and line by line.
# level: quick
set -eu
cajal=$build/cajal
. "$source/tests/shell/support/fails.sh"
"$cajal" check "$source/recipes/mnist-mlp.yaml" 2>&1 | grep -q 'this build reads no recipes' && exit 77

# stories of three sentences with a question about each person, walked through by a small generator of numbers
awk 'BEGIN {
    split("Mary John Anna", who); split("kitchen garden office", where); seed = 7
    for (story = 0; story < 150; story++) {
        delete at; line = 0
        for (i = 0; i < 3; i++) {
            seed = (seed * 16807) % 2147483647; p = who[seed % 3 + 1]
            seed = (seed * 16807) % 2147483647; at[p] = where[seed % 3 + 1]
            print ++line, p " went to the " at[p] "."
        }
        for (i = 1; i <= 3; i++) if (who[i] in at) print ++line, "Where is " who[i] "? \t" at[who[i]] "\t1"
    }
}' >"$scratch/world.txt"
cat >"$scratch/world.yaml" <<END
name: world
data: {text: $scratch/world.txt, format: stories, tokenizer: word, memory: 4, split: random}
model: {name: memory, layers: 2, width: 16}
training: {batch_size: 16, epochs: 15}
optimizer: {learning_rate: 0.02}
END
fails 0 "saved in" train "$scratch/world.yaml" --output "$scratch/world" --quiet

printf 'Anna went to the office.\nJohn went to the garden.\nWhere is Anna?\nAnna went to the kitchen.\nWhere is Anna?\n\nMary went to the office.\nWhere is Mary?\n' \
    >"$scratch/story.txt"
"$cajal" ask "$scratch/world" "$scratch/story.txt" >"$scratch/out"
answers=$(grep -oE '^(kitchen|garden|office)' "$scratch/out" | tr '\n' ' ')
[ "$answers" = "office kitchen office " ] || { cat "$scratch/out"; exit 1; }
# the last sentence about Anna is what was looked at for the second answer
sed -n '/kitchen  /,/Where/p' "$scratch/out" | grep -qE 'look 1  (0\.[5-9][0-9]|1\.00)  3 Anna went to the kitchen\.' || { cat "$scratch/out"; exit 1; }
"$cajal" ask "$scratch/world" <"$scratch/story.txt" | cmp - "$scratch/out"
"$cajal" ask "$scratch/world" --threads 3 "$scratch/story.txt" | cmp - "$scratch/out"

# bAbI's own lines: a number that begins a story anew, an answer that is not looked at
printf '1 Mary went to the office.\n2 Where is Mary?\tkitchen\t1\n1 John went to the garden.\n2 Where is John?\tkitchen\t1\n' |
    "$cajal" ask "$scratch/world" | grep -E '^(kitchen|garden|office)' >"$scratch/out"
[ "$(grep -oE '^[a-z]*' "$scratch/out" | tr '\n' ' ')" = "office garden " ] || { cat "$scratch/out"; exit 1; }

# weights of each look sum to 1 over the sentences that there are, of which the network remembers four
printf 'Anna went to the office.\nJohn went to the garden.\nAnna went to the garden.\nMary went to the garden.\nJohn went to the office.\nWhere is John?\n' |
    "$cajal" ask "$scratch/world" --json --top 3 >"$scratch/out"
[ "$(grep -o '"sentence"' "$scratch/out" | wc -l)" = 4 ] && [ "$(grep -o '"probability"' "$scratch/out" | wc -l)" = 3 ]
grep -q '"answers": \[{"answer": "office"' "$scratch/out" || { cat "$scratch/out"; exit 1; }
grep -o '"weights": [^]]*' "$scratch/out" | sed 's/.*\[//; s/,//' |
    awk '{ a += $1; b += $2 } END { exit !(a > 0.9999 && a < 1.0001 && b > 0.9999 && b < 1.0001) }'

# the weightiest fact is told even where many share a look
"$cajal" ask "$scratch/world" "$scratch/story.txt" >"$scratch/out"
[ "$(grep -c '^  look 1 ' "$scratch/out")" = "$(grep -c '?$' "$scratch/out")" ] || { cat "$scratch/out"; exit 1; }

# a story may be longer than all before, and a sentence too; a question may have no story
printf 'Mary went to the the the the the the kitchen.\nWhere is Mary?\n' | "$cajal" ask "$scratch/world" >"$scratch/out"
printf 'Where is Mary?\n' | "$cajal" ask "$scratch/world" >"$scratch/out"
[ "$(wc -l <"$scratch/out")" = 2 ] || { cat "$scratch/out"; exit 1; }

printf 'Mary went to the moon.\nMary went to the garden.\nWhere is Mary?\n' >"$scratch/moon.txt"
fails 1 "moon.txt, line 1: the network has never read 'moon'; the sentence is left out" ask "$scratch/world" "$scratch/moon.txt"
grep -q '^garden' "$scratch/out"
printf 'Mary\377 went.\n' >"$scratch/bytes.txt"
fails 1 "bytes.txt, line 1: found byte 0xff" ask "$scratch/world" "$scratch/bytes.txt"
printf 'Mary\0went.\n' >"$scratch/bytes.txt"
fails 1 "there is a zero byte" ask "$scratch/world" "$scratch/bytes.txt"
# several sentences in a line, a tab within one, a mark before the first; what a terminal sends for an arrow; a question of no words
printf '\357\273\277Anna went to the\toffice. Where is Anna? John went to the garden.\nWhere is \033[DJohn?\tkitchen\n' >"$scratch/line.txt"
"$cajal" ask "$scratch/world" "$scratch/line.txt" >"$scratch/out" 2>&1
[ "$(grep -oE '^(kitchen|garden|office)' "$scratch/out" | tr '\n' ' ')" = "office garden " ] || { cat "$scratch/out"; exit 1; }
grep -q ' 1 Anna went to the office\.$' "$scratch/out" && grep -q '^Where is John?$' "$scratch/out" || { cat "$scratch/out"; exit 1; }
printf 'Anna went to the office.\nWhere is Anna\n' >"$scratch/mark.txt"
fails 0 "mark.txt, line 2: 'Where is Anna' ends in neither . nor ?" ask "$scratch/world" "$scratch/mark.txt"
printf '?\n' >"$scratch/mark.txt"
fails 1 "mark.txt, line 1: a question of no words" ask "$scratch/world" "$scratch/mark.txt"
fails 2 "did you mean 'training.precision'" ask "$scratch/world" "$scratch/line.txt" training.precison=high
fails 2 "reads several sentences at once, which is not explained" explain "$scratch/world" "$scratch/story.txt" --out "$scratch/why"
fails 1 "cannot be opened" ask "$scratch/world" "$scratch/no-such.txt"
fails 2 "name a run's folder" ask
fails 2 'answers questions about stories: `cajal ask`' predict "$scratch/world" "$scratch/story.txt"
fails 1 "no run is there" ask "$scratch/no-such-run"
fails 2 "data.format is 'lines', but must be stories" check "$scratch/world.yaml" data.format=lines
fails 2 "model.layers is '0', but must be from 1 to 1024" check "$scratch/world.yaml" model.layers=0
