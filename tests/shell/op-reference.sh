# docs/ops.md is what scripts/op-reference prints now.
# level: quick
set -u
cd "$source" || exit 1
scripts/op-reference | diff docs/ops.md - || { echo "docs/ops.md is old: scripts/op-reference >docs/ops.md"; exit 1; }
