# Sourced by checks of the command, which name it in $cajal.
fails() { # CODE TEXT ARGUMENTS...: the command must end with CODE and say TEXT, in $scratch/out or $scratch/err
    code=$1 text=$2 got=0
    shift 2
    "$cajal" "$@" >"$scratch/out" 2>"$scratch/err" </dev/null || got=$?
    [ "$got" = "$code" ] || { echo "cajal $*: exit $got, not $code"; cat "$scratch/out" "$scratch/err"; exit 1; }
    grep -qF -- "$text" "$scratch/out" "$scratch/err" || { echo "cajal $*: no '$text' in:"; cat "$scratch/out" "$scratch/err"; exit 1; }
}
