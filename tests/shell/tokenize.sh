#!/bin/sh
# Text to tokens and back by the command: tokenizers of each kind made from a text, numbers, pieces and counts by them, and the text again;
# what stands in a file of numbers that is none, by its line; a text with nothing to learn from.
# level: quick
set -eu
cajal=$build/cajal
. "$source/tests/shell/support/fails.sh"
is() { # TEXT ARGUMENTS...: the command, given $scratch/in, must print TEXT, which is printf's
    printf "$1" >"$scratch/want"
    shift
    "$cajal" tokenize "$@" <"$scratch/in" >"$scratch/out"
    cmp "$scratch/want" "$scratch/out" || { echo "cajal tokenize $*:"; cat "$scratch/out"; exit 1; }
}
made() { # KIND COUNT TEXT OPTIONS...: a tokenizer of the text that has so many tokens
    kind=$1 count=$2
    printf "$3" >"$scratch/text"
    shift 3
    fails 0 "$count tokens written to $scratch/$kind.json" tokenize --train $kind --out "$scratch/$kind.json" "$@" "$scratch/text"
}

made character 7 'hello\nthere\n'
printf 'hero\nhe' >"$scratch/in"
is '2 1 5 4 0 2 1\n' "$scratch/character.json"
is '2 1 5 4 0 2 1\n' "$scratch/character.json" "$scratch/in"
is '2\th\n1\te\n5\tr\n4\to\n0\tĊ\n2\th\n1\te\n' "$scratch/character.json" --pieces
is 'tokens 7\ncharacters 7 (1.000 a token)\nbytes 7 (1.000 a token)\nunknown 0\n' "$scratch/character.json" --counts
printf '2 1 5\n 4 0\t2 1' >"$scratch/in"
is 'hero\nhe' "$scratch/character.json" --decode
printf 'he\nax' >"$scratch/in"
fails 1 "in: line 2: 'a' (U+0061) is none of the 7 tokens of the character tokenizer" tokenize "$scratch/character.json" "$scratch/in"

made byte 256 'any text'
printf '\377\0é' >"$scratch/in"
is '255 0 195 169\n' "$scratch/byte.json"
is '255\tÿ\n0\tĀ\n195\tÃ\n169\t©\n' "$scratch/byte.json" --pieces
is 'tokens 4\ncharacters 3 (0.750 a token)\nbytes 4 (1.000 a token)\nunknown 0\n' "$scratch/byte.json" --counts
"$cajal" tokenize "$scratch/byte.json" "$scratch/in" | "$cajal" tokenize "$scratch/byte.json" --decode | cmp - "$scratch/in"

if "$cajal" version | grep -q 'PCRE2 *[0-9]'; then
    made bpe 257 'abab abab' --size 257 # the bytes in GPT-2's order, and "ab"
    printf 'abab aba' >"$scratch/in"
    is '256 256 220 256 64\n' "$scratch/bpe.json"
    is '256\tab\n256\tab\n220\tĠ\n256\tab\n64\ta\n' "$scratch/bpe.json" --pieces
    "$cajal" tokenize "$scratch/bpe.json" "$scratch/in" | "$cajal" tokenize "$scratch/bpe.json" --decode | cmp - "$scratch/in"
fi
if "$cajal" version | grep -q 'utf8proc *[0-9]'; then
    made word 3 'b c a b B c b d' --lower --least 2 # what is unknown, b and c
    printf 'B  c a' >"$scratch/in"
    is '1 2 0\n' "$scratch/word.json"
    is 'tokens 3\ncharacters 6 (2.000 a token)\nbytes 6 (2.000 a token)\nunknown 1\n' "$scratch/word.json" --counts
    printf '1 2 0' >"$scratch/in"
    is 'b c <unk>' "$scratch/word.json" --decode
    made wordpiece 8 'abab abab' --size 8 # five special ones, ##b, ##a and a
    printf 'aba' >"$scratch/in"
    is '7\ta\n5\t##b\n6\t##a\n' "$scratch/wordpiece.json" --pieces
    printf '7 5 6 7' >"$scratch/in"
    is 'aba a' "$scratch/wordpiece.json" --decode
fi

: >"$scratch/empty"
fails 1 "empty: found nothing for a character tokenizer to learn in 0 bytes" tokenize --train character --out "$scratch/none.json" "$scratch/empty"
[ ! -e "$scratch/none.json" ] || { echo "a tokenizer of nothing was written"; exit 1; }
printf 'a\377' >"$scratch/bad"
fails 1 "bad: line 1: found byte 0xff" tokenize --train character --out "$scratch/none.json" "$scratch/bad"
printf 'a text' | gzip >"$scratch/packed.gz"
fails 1 "packed.gz: found data packed by gzip, expected text" tokenize "$scratch/character.json" "$scratch/packed.gz"
fails 0 "256 tokens written" tokenize --train byte --out "$scratch/bytes.json" "$scratch/packed.gz"
fails 0 "31 139 8" tokenize "$scratch/bytes.json" "$scratch/packed.gz"
fails 2 "--train wants --out" tokenize --train byte "$scratch/text"
fails 2 "made from one file" tokenize --train byte --out "$scratch/none.json" "$scratch/text" "$scratch/text"
fails 2 "--train is 'letter', but must be one of character|byte|word|bpe|wordpiece" tokenize --train letter --out "$scratch/none.json"
fails 2 "name a tokenizer" tokenize
fails 2 "cajal: a vocabulary of 10 has no room for the 256 bytes" tokenize --train byte --size 10 --out "$scratch/none.json" "$scratch/text"
for option in --lower --size=9 --least=2 --out=x; do
    fails 2 "go with --train alone" tokenize "$scratch/character.json" $option "$scratch/text"
done
fails 2 "--train, --decode, --pieces and --counts do not go together" tokenize "$scratch/character.json" --counts --pieces "$scratch/text"
fails 2 "do not go together" tokenize --train byte --decode --out "$scratch/none.json" "$scratch/text"
fails 1 "none.json was not found" tokenize "$scratch/none.json"

# numbers that are none
tells() { # TEXT NUMBERS: what is said of a file of these
    printf "$2" >"$scratch/numbers"
    fails 1 "$1" tokenize "$scratch/character.json" --decode "$scratch/numbers"
}
tells "numbers: line 1: found a zero byte, expected the number of a token" '2 \0 3\n'
tells "numbers: line 2: found a zero byte" '2\n3\0'
tells "numbers: line 3: found 'x9', expected the number of a token" '2\n\n3 x9 4\n'
tells "numbers: line 1: found '-1'" '0 -1\n'
tells "numbers: line 1: found '99999999999999999999'" '99999999999999999999999\n'
tells "numbers: token 2 of 2 is 7, but the vocabulary has 7" '2 7\n'
