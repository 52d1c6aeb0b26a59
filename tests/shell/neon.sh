# The kernels on 64-bit Arm: the library is cross-built without dependencies, as one static program a test, and
# the tests of kernels run under qemu's emulation of that processor, NEON and denormals included.
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

# The tests' own files, against the stand-in for cmocka in tests/cross.
flags="-std=c17 -O2 -ffp-contract=off -static -D_GNU_SOURCE -DCJ__HAVE_SCALAR=1 -DCJ__HAVE_NEON=1"
cd "$source"
for name in isa matmul convolution winograd op_values ops fuse; do
    $compiler $flags -DCJ_TEST_SOURCE="\"$source\"" -DCJ_TEST_BUILD="\"$scratch/build\"" \
        -DCJ_TEST_COMMAND="\"$scratch/build/cajal\"" -Itests/cross -Iinclude -Isrc -Itests \
        tests/test_$name.c $(ls tests/*.c | grep -v /test_) tests/cross/cmocka.c \
        "$scratch/build/libcajal.a" -lm -lpthread -o "$scratch/$name"
    qemu-aarch64 "$scratch/$name" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
    tail -n 3 "$scratch/log"
done
