# The rest of neon.sh's tests: what takes minutes under emulation.
# level: all
names="ops winograd convolution" more=-DCJ_TEST_ALL exec sh "$source/tests/shell/neon.sh"
