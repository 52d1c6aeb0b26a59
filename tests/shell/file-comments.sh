# Each source file opens with a comment that says what it does and where it stands: at least a full line.
# level: quick
set -u
cd "$source" || exit 1
wrong=0

for file in $(find src include cli tests bench examples fuzz -path fuzz/corpus -prune -o -name '*.[ch]' -print -o -name '*.def' -print -o -name '*.inc' -print \
    2>/dev/null); do
    length=$(awk 'NR == 1 && !/^\/\*/ { exit } { gsub(/[\/* ]+/, " "); count += length($0) }
                  length(count) && /\*\// { exit } NR > 12 { exit } END { print count + 0 }' "$file")
    [ "$length" -ge 40 ] || { echo "$file: does not open with a comment on what it does"; wrong=1; }
done

for file in scripts/* scripts/lib/* tests/shell/*.sh .ci/* cmake/*.cmake CMakeLists.txt; do
    [ -f "$file" ] || continue
    head -n 2 "$file" | grep -q '^# ' || { echo "$file: does not open with a comment"; wrong=1; }
done
exit $wrong
