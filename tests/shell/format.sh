# Every C file is laid out as .clang-format says.
# level: quick
set -u
cd "$source" || exit 1
command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 77; }
case $(clang-format --version) in
*'version 14.'*) ;;
*) echo "clang-format 14 wanted, since each version lays out differently; found $(clang-format --version)"; exit 77 ;;
esac
find src include cli tests bench examples fuzz -name '*.[ch]' 2>/dev/null | xargs clang-format --dry-run --Werror
