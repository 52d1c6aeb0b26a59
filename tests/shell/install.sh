# Installs to a scratch prefix and uses what is there as a stranger would: the headers, both libraries through
# pkg-config and through find_package, the command and its manual page. Each example is built; those that need
# no data run.
# level: quick
set -eu
prefix=$scratch/prefix
cmake --install "$build" --prefix "$prefix" >/dev/null
lib=$(dirname "$(find "$prefix" -name libcajal.a)")
for wanted in "$prefix/include/cajal/cajal.h" "$lib/libcajal.so" "$lib/pkgconfig/cajal.pc" \
    "$lib/cmake/cajal/cajal-config.cmake"; do
    [ -e "$wanted" ] || { echo "$wanted was not installed"; exit 1; }
done
readelf -d "$lib/libcajal.so" | grep -q 'SONAME.*libcajal\.so\.0' || { echo "wrong SONAME"; exit 1; }
! grep -r "$source" "$lib/pkgconfig" "$lib/cmake" || { echo "the package files name the source folder"; exit 1; }
if ls "$prefix/include" | grep -v '^cajal$'; then echo "more than cajal/ in include"; exit 1; fi

# Copied, so that nothing beside them helps.
mkdir "$scratch/programs"
cp "$source/tests/install/version.c" "$scratch/programs"
for example in "$source"/examples/*.c; do [ ! -f "$example" ] || cp "$example" "$scratch/programs"; done
programs=$(echo "$scratch"/programs/*.c)

# through pkg-config; the static library is named by its file, as -static would want a static C library too
PKG_CONFIG_PATH=$lib/pkgconfig${PKG_CONFIG_PATH:+:$PKG_CONFIG_PATH}
LD_LIBRARY_PATH=$lib
export PKG_CONFIG_PATH LD_LIBRARY_PATH
version=$(sed -n 's/.*define CJ_VERSION  *"\(.*\)"/\1/p' "$source/include/cajal/base.h")
[ "$(pkg-config --modversion cajal)" = "$version" ] || { echo "cajal.pc is not of version $version"; exit 1; }
mkdir "$scratch/pc"
for program in $programs; do
    name=$(basename "$program" .c)
    ${CC:-cc} -std=c17 -Wall -Wextra -Wpedantic -Werror "$program" -o "$scratch/pc/$name-shared" \
        $(pkg-config --cflags --libs cajal) -lm
    ${CC:-cc} -std=c17 "$program" -o "$scratch/pc/$name-static" $(pkg-config --static --cflags cajal) \
        "$lib/libcajal.a" $(pkg-config --static --libs-only-l --libs-only-other cajal | sed 's/-lcajal//')
done

cmake -S "$source/tests/install" -B "$scratch/cmake" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
    -Dprograms="$(echo $programs | tr ' ' ';')" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }
cmake --build "$scratch/cmake" >"$scratch/log" 2>&1 || { cat "$scratch/log"; exit 1; }

for folder in pc cmake; do
    for kind in shared static; do
        "$scratch/$folder/version-$kind" >/dev/null || { echo "$folder: version-$kind failed"; exit 1; }
        [ ! -f "$source/examples/neuron.c" ] || "$scratch/$folder/neuron-$kind" >/dev/null ||
            { echo "$folder: neuron-$kind failed"; exit 1; }
    done
    readelf -d "$scratch/$folder/version-shared" | grep -q 'NEEDED.*libcajal\.so\.0' ||
        { echo "$folder: version-shared is not linked with libcajal.so.0"; exit 1; }
done

if [ -f "$build/cajal" ]; then
    "$prefix/bin/cajal" version >/dev/null
    "$prefix/bin/cajal" bench inference --seconds 1 >/dev/null
fi
# the installed command finds its helper, also in a folder that was moved
if [ -f "$build/cajal-fetch" ]; then
    mv "$prefix" "$scratch/moved"
    if CAJAL_DATA='' XDG_CACHE_HOME=$scratch/cache LD_LIBRARY_PATH='' "$scratch/moved/bin/cajal" data get names \
        --from "file://$scratch/nowhere" 2>"$scratch/log"; then
        echo "names came from nowhere"
        exit 1
    fi
    grep -q "nowhere/names.txt" "$scratch/log" || { echo "cajal data get did not come to its helper:"; cat "$scratch/log"; exit 1; }
    mv "$scratch/moved" "$prefix"
fi
if [ -d "$build/manual" ]; then
    for page in man1/cajal.1 man1/cajal-train.1 man5/cajal-recipe.5; do
        [ -f "$prefix/share/man/$page" ] || { echo "$page was not installed"; exit 1; }
    done
    if command -v man >/dev/null && ! MANPATH=$prefix/share/man man -w cajal-train >/dev/null; then
        echo "man does not find cajal-train"
        exit 1
    fi
fi
if [ -d "$build/completion" ]; then
    for file in bash-completion/completions/cajal zsh/site-functions/_cajal fish/vendor_completions.d/cajal.fish; do
        [ -f "$prefix/share/$file" ] || { echo "$file was not installed"; exit 1; }
    done
fi
