# Every public header compiles alone, as C17 and as C++17 and C++20, without a warning; so do the programs in
# tests/cxx, which are linked and run as well. Every include guard is one header's alone.
# level: quick
set -u
cd "$source" || exit 1
warnings="-Wall -Wextra -Wpedantic -Wshadow -Werror"
wrong=0

# guard FILE: what it defines right after asking whether it is defined.
guard() { awk '$1 == "#ifndef" { asked = $2; next } $1 == "#define" && $2 == asked { print $2; exit } { asked = "" }' "$1"; }
shared=$(find src include -name '*.h' | while read -r header; do guard "$header"; done | sort | uniq -d)
[ -z "$shared" ] || { echo "include guards of more than one header:" $shared; wrong=1; }

compilers=
for compiler in gcc clang; do ! command -v $compiler >/dev/null || compilers="$compilers $compiler"; done
for header in include/cajal/*.h; do
    for compiler in $compilers; do
        for standard in c11 c17; do
            $compiler -std=$standard $warnings -Iinclude -fsyntax-only -x c - <<EOF || { echo "$compiler $standard: $header"; wrong=1; }
#include "${header#include/}"
int main(void) { return 0; }
EOF
        done
    done
done
compilers=
for compiler in g++ clang++; do ! command -v $compiler >/dev/null || compilers="$compilers $compiler"; done
[ -n "$compilers" ] || { [ $wrong -eq 0 ] || exit 1; echo "no C++ compiler is installed (g++)"; exit 77; }
for header in include/cajal/*.h; do
    for compiler in $compilers; do
        for standard in c++17 c++20; do
            $compiler -std=$standard $warnings -Iinclude -fsyntax-only -x c++ - <<EOF || { echo "$compiler $standard: $header"; wrong=1; }
#include "${header#include/}"
int main() { return 0; }
EOF
        done
    done
done
for program in tests/cxx/*.cpp; do
    [ -f "$program" ] || continue
    standard=$(sed -n 's/^ \* standard: *\(c++[0-9]*\).*/\1/p' "$program")
    for compiler in $compilers; do
        $compiler -std="${standard:-c++17}" $warnings -Iinclude "$program" -o "$scratch/program" -L"$build" -lcajal &&
            LD_LIBRARY_PATH=$build "$scratch/program" || { echo "$compiler: $program"; wrong=1; }
    done
done
exit $wrong
