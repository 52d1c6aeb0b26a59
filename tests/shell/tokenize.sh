#!/bin/sh
# Text to tokens and back by the command: what stands in a file of numbers that is none is told by its line.
# level: quick
set -eu
cajal=$build/cajal
. "$source/tests/shell/support/fails.sh"
printf 'hello\nthere\n' >"$scratch/text"
fails 0 "7 tokens written to $scratch/t.json" tokenize --train character --out "$scratch/t.json" "$scratch/text"

# numbers that are none
tells() { # TEXT NUMBERS: what is said of a file of these
    printf "$2" >"$scratch/numbers"
    fails 1 "$1" tokenize "$scratch/t.json" --decode "$scratch/numbers"
}
tells "numbers: line 1: found a zero byte, expected the number of a token" '2 \0 3\n'
tells "numbers: line 2: found a zero byte" '2\n3\0'
tells "numbers: line 3: found 'x9', expected the number of a token" '2\n\n3 x9 4\n'
tells "numbers: line 1: found '-1'" '0 -1\n'
tells "numbers: line 1: found '99999999999999999999'" '99999999999999999999999\n'
tells "numbers: token 2 of 2 is 7, but the vocabulary has 7" '2 7\n'
