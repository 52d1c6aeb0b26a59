# libcajal.so exports only cj_ names and stays small; libcajal.a defines no global name outside cj_; no code
# runs before main, so that the command starts at once.
# level: quick
set -u
wrong=0
shared=$build/libcajal.so
nm -D --defined-only "$shared" | sed 's/@.*//' >"$scratch/exported"
foreign=$(awk '$3 !~ /^cj_[^_]/ && $3 !~ /^CAJAL_[0-9]+/ { print $3 }' "$scratch/exported")
[ -z "$foreign" ] || { echo "libcajal.so exports:" $foreign; wrong=1; }
grep -q ' T cj_version$' "$scratch/exported" || { echo "libcajal.so lacks cj_version"; wrong=1; }

# The public headers' functions are all there.
for name in $(cat "$source"/include/cajal/*.h | grep '^CJ_API' | sed -n 's/^CJ_API[^(]*[ *(]\(cj_[a-z0-9_]*\)[)]*(.*/\1/p'); do
    grep -q " [TDRB] $name\$" "$scratch/exported" || { echo "libcajal.so lacks $name"; wrong=1; }
done

foreign=$(nm -g --defined-only "$build/libcajal.a" | awk 'NF == 3 && $3 !~ /^cj_/ { print $3 }' | sort -u)
[ -z "$foreign" ] || { echo "libcajal.a defines outside its prefix:" $foreign; wrong=1; }

strip -o "$scratch/stripped.so" "$shared"
size=$(wc -c <"$scratch/stripped.so")
echo "libcajal.so, stripped: $size bytes"
[ "$size" -le 2000000 ] || { echo "that is more than 2 MB"; wrong=1; }

# One entry is the compiler's own frame_dummy.
entries=$(readelf -SW "$shared" | awk '$2 == ".init_array" || $3 == ".init_array" { print; exit }' |
    sed 's/.*INIT_ARRAY *[0-9a-f]* *[0-9a-f]* *\([0-9a-f]*\).*/\1/')
[ "$((0x${entries:-0}))" -le 8 ] || { echo "libcajal.so has global constructors"; wrong=1; }
exit $wrong
