# Sourced by scripts/test: builds, runs and counts. A result is a line `pass NAME`, `fail NAME` or
# `skip NAME: reason` in $results; what a step printed is in $logs and on the screen only if it failed.

say() { printf '%4ds  %s\n' $(($(date +%s) - started)) "$*"; }

# record VERDICT NAME [REASON]
record() {
    echo "$1 $2${3:+: $3}" >>"$results"
    say "$1  $2${3:+: $3}"
}

# show LOG: the end of a failed step's output.
show() { tail -n 60 "$1" | sed 's/^/      | /'; }

# need PROGRAM NAME: false, and NAME recorded as skipped, where PROGRAM is missing.
need() {
    command -v "$1" >/dev/null && return
    record skip "$2" "$1 is not installed"
    return 1
}

# build PRESET
build() {
    log=$logs/build-$1.log
    if cmake --preset "$1" >"$log" 2>&1 && cmake --build --preset "$1" -j "$jobs" >>"$log" 2>&1; then
        record pass "build $1"
        pkg-config --exists cmocka || record skip "unit tests of $1" "cmocka (libcmocka-dev) is not installed"
    else
        record fail "build $1"
        show "$log"
        return 1
    fi
}

# The thread sanitizer of gcc 12 cannot map its shadow where recent kernels spread addresses widely.
without_randomised_addresses=
if setarch -R true 2>/dev/null; then without_randomised_addresses='setarch -R'; fi

# run_ctest PRESET TITLE CTEST-ARGUMENTS...: runs the preset's tests and counts each single cmocka test.
run_ctest() {
    preset=$1 title=$2
    shift 2
    log=$logs/ctest-$(echo "$title" | tr ' =' '--').log
    $without_randomised_addresses ctest --test-dir "build/$preset" -j "$jobs" --no-tests=ignore --output-on-failure "$@" \
        --test-output-size-passed 1000000 --test-output-size-failed 1000000 >"$log" 2>&1 </dev/null
    ended=$?
    : >"$log.counts"
    all=build/$preset/Testing/Temporary/LastTest.log
    if grep -q 'tests passed' "$log"; then
        awk -v title="$title" -f scripts/lib/count.awk "$all" >"$log.counts"
    fi
    cat "$log.counts" >>"$results"
    passed=$(grep -c '^pass' "$log.counts") failed=$(grep -c '^fail' "$log.counts")
    say "$title: $passed passed, $failed failed, $(grep -c '^skip' "$log.counts") skipped"
    if [ "$failed" -gt 0 ]; then
        grep '^fail' "$log.counts"
        show "$log"
    elif [ $ended -ne 0 ]; then
        record fail "ctest $title"
        show "$log"
    fi
}

# shell_checks: every tests/shell/*.sh whose `# level:` line (quick, default or all) is within the level asked
# for. A check exits with 0, with 77 when skipped (its last line says why), or with anything else on failure.
# It finds the repository in $source, the release build in $build and an empty folder in $scratch.
shell_checks() {
    for check in tests/shell/*.sh; do
        name=$(basename "$check" .sh)
        case $(sed -n 's/^# level: *//p' "$check") in
        quick) wanted=1 ;;
        default) wanted=2 ;;
        all) wanted=3 ;;
        *) record fail "$name"; echo "      | $check lacks a line '# level: quick, default or all'"; continue ;;
        esac
        [ $level -ge $wanted ] || continue
        if [ -z "$release_built" ] && grep -q '\$build' "$check"; then
            record skip "$name" "the release build failed"
            continue
        fi
        log=$logs/$name.log
        scratch=$(mktemp -d)
        source=$PWD build=$PWD/build/release scratch=$scratch sh "$check" >"$log" 2>&1 </dev/null
        case $? in
        0) record pass "$name" ;;
        77) record skip "$name" "$(tail -n 1 "$log")" ;;
        *) record fail "$name"; show "$log" ;;
        esac
        rm -rf "$scratch"
    done
}

# isa_runs_here ISA: whether the processor has it; a missing one is recorded as skipped.
isa_runs_here() {
    case $1 in
    scalar) return 0 ;;
    avx2) flags='avx2 fma' ;;
    avx512) flags='avx512f avx512bw avx512vl avx512dq' ;;
    avx512bf16) flags=avx512_bf16 ;;
    amx) flags=amx_bf16 ;;
    esac
    for flag in $flags; do
        grep -qw "$flag" /proc/cpuinfo && continue
        record skip "release with CAJAL_ISA=$1" "this processor lacks $flag"
        return 1
    done
}

# fuzz NAME: libFuzzer for ten minutes ($CAJAL_FUZZ_SECONDS), starting from the corpus. What is new stays in
# build/fuzz/found/NAME, what fails in build/fuzz/found/NAME-crash-...; a single request for a gigabyte, or 2.5 in all,
# is a failure, as inputs are of 64 KB at most.
fuzz() {
    mkdir -p "build/fuzz/found/$1"
    "build/fuzz/fuzz/$1" -max_total_time="${CAJAL_FUZZ_SECONDS:-600}" -timeout=10 -max_len=65536 -malloc_limit_mb=1024 \
        -rss_limit_mb=2560 -print_final_stats=1 -artifact_prefix="build/fuzz/found/$1-" \
        "build/fuzz/found/$1" "fuzz/corpus/$1" >"$logs/fuzz-$1.log" 2>&1 </dev/null
    echo $? >"$logs/fuzz-$1.ended"
}

# fuzz_all: every fuzz/NAME.c, as many at once as there are processors.
fuzz_all() {
    running=0
    for source in fuzz/*.c; do
        fuzz "$(basename "$source" .c)" &
        running=$((running + 1))
        [ $((running % jobs)) -ne 0 ] || wait
    done
    wait
    for source in fuzz/*.c; do
        name=$(basename "$source" .c)
        if [ "$(cat "$logs/fuzz-$name.ended")" = 0 ]; then
            record pass "fuzz $name"
        else
            record fail "fuzz $name"
            show "$logs/fuzz-$name.log"
        fi
    done
}

# summary: reasons for skips, the counts, and the exit status.
summary() {
    if grep -q '^skip' "$results"; then
        echo "skipped:"
        sed -n 's/^skip /  /p' "$results" | sort -u
    fi
    if grep -q '^fail' "$results"; then
        echo "failed:"
        sed -n 's/^fail /  /p' "$results"
    fi
    failed=$(grep -c '^fail' "$results")
    echo "$(grep -c '^pass' "$results") passed, $failed failed, $(grep -c '^skip' "$results") skipped"
    [ "$failed" -eq 0 ]
}
