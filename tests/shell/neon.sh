# The kernels on 64-bit Arm: the library is cross-built without dependencies, as one static program a test, and
# the tests of kernels run under qemu's emulation of that processor, NEON and denormals included. The slower half
# of them is in neon-all.sh.
# level: default
set -eu
compiler=aarch64-linux-gnu-gcc
for tool in $compiler qemu-aarch64; do
    command -v $tool >/dev/null || { echo "$tool is not installed (scripts/setup installs it)"; exit 77; }
done
unset CAJAL_ISA

cat >"$scratch/arm64.cmake" <<EOF
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_C_COMPILER $compiler)
EOF
cmake -S "$source" -B "$scratch/build" -G Ninja -DCMAKE_TOOLCHAIN_FILE="$scratch/arm64.cmake" \
    -DCMAKE_BUILD_TYPE=Release -DCAJAL_MINIMAL=ON -DCAJAL_SHARED=OFF -DCAJAL_TESTS=OFF -DCAJAL_BENCH=OFF \
    -DCAJAL_EXAMPLES=OFF >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
cmake --build "$scratch/build" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }

# The tests' own files, against the stand-in for cmocka in tests/cross; as many at once as there are processors.
flags="-std=c17 -O2 -ffp-contract=off -static -D_GNU_SOURCE -DCJ__HAVE_SCALAR=1 -DCJ__HAVE_NEON=1 -DCJ_TEST_EMULATED=1 ${more:-}"
cat >"$scratch/one" <<EOF
set -eu
cd "$source"
$compiler $flags -DCJ_TEST_SOURCE='"$source"' -DCJ_TEST_BUILD='"$scratch/build"' \
    -DCJ_TEST_COMMAND='"$scratch/build/cajal"' -Itests/cross -Iinclude -Isrc -Itests \
    tests/test_\$1.c \$(ls tests/*.c | grep -v /test_) tests/cross/cmocka.c \
    "$scratch/build/libcajal.a" -lm -lpthread -o "$scratch/\$1"
qemu-aarch64 "$scratch/\$1" >"$scratch/\$1.log" 2>&1 || { cat "$scratch/\$1.log"; exit 1; }
tail -n 3 "$scratch/\$1.log"
EOF
printf '%s\n' ${names:-isa op_values fuse matmul convolution} | xargs -P "$(nproc)" -n 1 sh "$scratch/one"
