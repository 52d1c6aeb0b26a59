# Cajal inside another CMake project, through add_subdirectory: builds the library only, and it links.
# level: default
set -eu
mkdir "$scratch/project"
cp "$source/tests/install/version.c" "$scratch/project"
cat >"$scratch/project/CMakeLists.txt" <<EOF
cmake_minimum_required(VERSION 3.25)
project(host LANGUAGES C)
add_subdirectory("$source" cajal EXCLUDE_FROM_ALL)
add_executable(version version.c)
target_link_libraries(version PRIVATE cajal::static)
EOF
cmake -S "$scratch/project" -B "$scratch/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCAJAL_SCALAR=ON
cmake --build "$scratch/build" --target version
"$scratch/build/version"
[ ! -d "$scratch/build/cajal/tests" ] || { echo "the tests were built too"; exit 1; }
