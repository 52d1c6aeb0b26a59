# Sourced by checks of the command, which name it in $cajal.
fails() { # CODE TEXT ARGUMENTS...: the command must end with CODE and say TEXT
    code=$1 text=$2 got=0
    shift 2
    "$cajal" "$@" >"$scratch/out" 2>&1 </dev/null || got=$?
    [ "$got" = "$code" ] || { echo "cajal $*: exit $got, not $code"; cat "$scratch/out"; exit 1; }
    grep -qF -- "$text" "$scratch/out" || { echo "cajal $*: no '$text' in:"; cat "$scratch/out"; exit 1; }
}
