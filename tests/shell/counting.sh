# scripts/test counts what happened: passes, failures named twice, skips with their reasons, crashes, programs
# that are missing, and output that looks like CTest's own.
# level: quick
set -eu
cat >"$scratch/log" <<'EOF'
1/4 Testing: mixed
Command: "/x/test_mixed"
Output:
----------------------------------------------------------
[==========] Running 3 test(s).
[       OK ] good
Test Passed.
SKIP: no data here
[  SKIPPED ] hungry
[  FAILED  ] bad
[  FAILED  ] tests: 1 test(s), listed below:
[  FAILED  ] bad
<end of output>
Test Failed.
"mixed" end time: now
2/4 Testing: crashed
Command: "/x/test_crashed"
Output:
[       OK ] before
<end of output>
Test Failed.
"crashed" end time: now
3/4 Testing: plain
Command: "/x/plain"
Output:
<end of output>
Test Passed.
"plain" end time: now
4/4 Testing: absent
Command: ""
Output:
<end of output>
Test Passed.
"absent" end time: now
EOF
cat >"$scratch/expected" <<'EOF'
pass p mixed good
skip p mixed hungry: no data here
fail p mixed bad
pass p crashed before
fail p crashed
pass p plain
fail p absent
EOF
awk -v title=p -f "$source/scripts/lib/count.awk" "$scratch/log" | diff "$scratch/expected" -
