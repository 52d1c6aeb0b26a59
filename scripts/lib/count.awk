# Reads CTest's LastTest.log and prints `pass|fail|skip TITLE PROGRAM TEST[: reason]` for each cmocka test, or
# one line for a program that is not cmocka's or that ended badly outside its tests.
!inside && /^[0-9]+\/[0-9]+ Testing: / {
    program = $0
    sub(/^[^:]*: /, "", program)
    tests = failures = passed = absent = 0
    reason = ""
    split("", seen)
}
!inside && /^Command: ""$/ { absent = 1 } # CTest calls a missing program passed
!inside && /^Test Passed\.$/ { passed = !absent }
!inside && /^".*" end time: / { finish() }
/^Output:$/ { inside = 1 }
/^<end of output>$/ { inside = 0 }
inside && /^SKIP: / { reason = substr($0, 7) }
inside && /^\[       OK \] / { settle("pass") }
inside && /^\[  FAILED  \] / && !/test\(s\)/ { settle("fail") }
inside && /^\[  SKIPPED \] / && !/test\(s\)/ { settle("skip") }

# Failures and skips are listed twice, when they happen and at the end.
function settle(verdict, test) {
    test = $0
    sub(/^\[[ A-Z]*\] */, "", test)
    if (test in seen) return
    seen[test] = 1
    tests++
    failures += verdict == "fail"
    if (verdict == "skip") test = test ": " (reason == "" ? "no reason given" : reason)
    print verdict, title, program, test
    reason = ""
}

function finish() {
    if (passed && tests == 0) print "pass", title, program
    if (!passed && failures == 0) print "fail", title, program
}
