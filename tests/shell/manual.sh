# The manual pages: one for each command, with each of its options and no other, every key of recipes in
# cajal-recipe(5), the sections that a page has, and nothing that groff or mandoc complain of.
# level: quick
set -eu
pages=$build/manual
[ -d "$pages" ] || { echo "the manual pages are not built where what was compiled cannot run"; exit 77; }
wrong=0
complain() {
    echo "$1"
    wrong=1
}
same() { # WHAT: the sorted lists $scratch/a and $scratch/b
    diff "$scratch/a" "$scratch/b" >"$scratch/diff" || { complain "$1:"; cat "$scratch/diff"; }
}
section() { # FILE TITLE
    awk -v title=".SH $2" '/^\.SH/ { inside = $0 == title; next } inside' "$1"
}

"$build/cajal" help | sed -n 's/^  \([a-z]*\) .*/\1/p' >"$scratch/commands"
[ "$(wc -l <"$scratch/commands")" -ge 10 ] || complain "cajal help lists too few commands"
{ sed 's/.*/cajal-&.1/' "$scratch/commands"; echo cajal.1; } | sort >"$scratch/a"
ls "$pages/man1" | sort >"$scratch/b"
same "commands (<) and pages (>) differ"

while read -r command; do
    page=$pages/man1/cajal-$command.1
    "$build/cajal" "$command" --help >"$scratch/help"
    sed -n 's/^  \(--[a-z-]*\).*/\1/p' "$scratch/help" | sort >"$scratch/a"
    section "$page" OPTIONS | sed -n 's/^\\fB\(\\-\\-[a-z\\-]*\)\\fR.*/\1/p' | tr -d '\\' | sort >"$scratch/b"
    [ -s "$scratch/a" ] || complain "cajal $command --help names no option"
    same "cajal $command: options of --help (<) and of the page (>) differ"
    sed -n '/^examples:/,$s/^  //p' "$scratch/help" >"$scratch/a"
    section "$page" EXAMPLES | grep '^cajal\|^cat\|^printf' | sed "s/\\\\-/-/g; s/\\\\(aq/'/g; s/\\\\e/\\\\/g" >"$scratch/b"
    [ -s "$scratch/a" ] || complain "cajal $command --help has no example"
    same "cajal $command: examples of --help (<) and of the page (>) differ"
    awk -v command="$command" 'length > 100 { print "cajal " command " --help is wider than 100: " $0; wrong = 1 } END { exit wrong }' \
        "$scratch/help" || wrong=1
done <"$scratch/commands"
for text in "$source"/docs/man/*.md; do
    name=$(basename "$text" .md)
    [ "$name" = cajal ] || grep -qx "$name" "$scratch/commands" || complain "docs/man/$name.md is of no command"
done

{ sed -n 's/^ *X([a-z_0-9]*, "\([a-z_.0-9]*\)".*/\1/p' "$source/src/recipe/recipe.h"; echo augment; echo model; } | sort >"$scratch/a"
section "$pages/man5/cajal-recipe.5" DESCRIPTION | awk 'before == ".TP"; { before = $0 }' | sed 's/  .*//' |
    tr -d ',' | sed 's/\\fB//g; s/\\fR//g' | tr ' ' '\n' | sort >"$scratch/b"
same "keys of recipes (<) and of cajal-recipe(5) (>) differ"

for page in "$pages"/man?/*; do
    for title in NAME SYNOPSIS DESCRIPTION OPTIONS "EXIT STATUS" ENVIRONMENT EXAMPLES "SEE ALSO"; do
        case $(basename "$page") in
        cajal.1) [ "$title" != OPTIONS ] || title=FILES ;;
        cajal-recipe.5) case $title in SYNOPSIS | OPTIONS | "EXIT STATUS") continue ;; esac ;;
        esac
        [ -n "$(section "$page" "$title")" ] || complain "$page: no section $title"
    done
    for variable in CAJAL_DATA CAJAL_THREADS CAJAL_ISA NO_COLOR XDG_CACHE_HOME; do
        section "$page" ENVIRONMENT | grep -q "$variable" || complain "$page: nothing of $variable"
    done
done

checked=
if command -v mandoc >/dev/null; then
    checked=mandoc
    for page in "$pages"/man?/*; do
        mandoc -Tlint "$page" 2>&1 | grep -v 'input text line longer than 80' >"$scratch/lint" || true # one long word may be
        [ ! -s "$scratch/lint" ] || { complain "$page:"; cat "$scratch/lint"; }
    done
fi
if command -v groff >/dev/null; then
    checked=groff
    for page in "$pages"/man?/*; do
        groff -man -ww -Tutf8 "$page" 2>"$scratch/lint" >/dev/null
        [ ! -s "$scratch/lint" ] || { complain "$page:"; cat "$scratch/lint"; }
    done
fi
[ $wrong -eq 0 ] || exit 1
[ -n "$checked" ] || { echo "neither mandoc nor groff is installed: the pages were read by nobody"; exit 77; }
