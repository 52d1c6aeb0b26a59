# The rooms of docs/architecture.md: each folder of src/ includes only itself and the folders before it; the
# command and the examples include only the public headers; public headers include only each other.
# level: quick
set -u
cd "$source" || exit 1
rooms="base graph ops compile cpu run model nn image text data io train models generate explain recipe"

# includes FILE: its #include lines as "FILE:LINE <header>" or "FILE:LINE "header"".
includes() {
    sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*\([<"][^>"]*[>"]\).*/\1/p' "$1"
}

position() { # of a room in the list, 0 when it is none
    number=0
    for room in $rooms; do
        number=$((number + 1))
        [ "$room" != "$1" ] || { echo $number; return; }
    done
    echo 0
}

wrong=0
complain() {
    echo "$1"
    wrong=1
}

for file in $(find src -name '*.[ch]' -o -name '*.def' -o -name '*.inc'); do
    room=$(echo "$file" | cut -d/ -f2)
    here=$(position "$room")
    [ "$here" -gt 0 ] || { complain "$file: src/$room is not a room (tests/shell/rooms.sh lists them)"; continue; }
    for header in $(includes "$file" | grep '^"' | tr -d '"'); do
        case $header in
        cajal/*) [ -f "include/$header" ] || complain "$file: \"$header\" does not exist" ;;
        ../* | */../*) complain "$file: \"$header\" climbs; name the header from src/" ;;
        */*)
            there=$(position "${header%%/*}")
            if [ "$there" -eq 0 ] && [ -f "$(dirname "$file")/$header" ]; then :
            elif [ "$there" -eq 0 ]; then complain "$file: \"$header\" is in no room"
            elif [ "$there" -gt "$here" ]; then complain "$file: \"$header\" is in a later room than $room"
            fi ;;
        *) [ -f "$(dirname "$file")/$header" ] || complain "$file: \"$header\" is not beside it" ;;
        esac
    done
done

for file in $(find include/cajal -name '*.h'); do
    for header in $(includes "$file" | tr -d '<>"'); do
        case $header in
        cajal/*) [ -f "include/$header" ] || complain "$file: $header does not exist" ;;
        std*.h) ;;
        *) complain "$file: a public header includes $header" ;;
        esac
    done
done

for file in $(find cli examples -name '*.[ch]' 2>/dev/null); do
    for header in $(includes "$file" | grep -v '^<[a-z_/0-9]*\.h>$'); do
        plain=$(echo "$header" | tr -d '<>"')
        case $plain in
        cajal/*) continue ;;
        esac
        [ -f "$(dirname "$file")/$plain" ] && continue
        [ "${file#cli/}" != "$file" ] && [ -f "cli/$plain" ] && continue
        complain "$file: $header is not a public header"
    done
done
exit $wrong
