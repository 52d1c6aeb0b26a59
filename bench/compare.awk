# Sums up the turns of bench/compare: lines "SIDE … best_us B median_us M loss L", with "loss_after_one L" in training, and "peak_mb P". Prints a row for each side that
# is not cajal; ends with 1, and a sentence, where the losses do not agree at the precision `highest`.
{
    for (i = 2; i < NF; i++) field[$i] = $(i + 1)
    side = $1
    if (!(side in turns)) best[side] = field["best_us"]
    if (field["best_us"] + 0 < best[side] + 0) best[side] = field["best_us"]
    medians[side, ++turns[side]] = field["median_us"]
    loss[side] = field["loss"]
    if ("peak_mb" in field && field["peak_mb"] + 0 > peak[side] + 0) peak[side] = field["peak_mb"]
    early[side] = "loss_after_one" in field ? field["loss_after_one"] : ""
    delete field
}

function median_of(side,    i, j, n, x, sorted) {
    n = turns[side]
    for (i = 1; i <= n; i++) {
        x = medians[side, i] + 0
        for (j = i; j > 1 && sorted[j - 1] > x; j--) sorted[j] = sorted[j - 1]
        sorted[j] = x
    }
    return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

# Below 1 it is the difference itself that counts: of a batch learned by heart next to nothing is left, of which
# PyTorch's two layouts of memory keep as unlike parts. Not a number counts as apart: every comparison with it is false.
function agree(a, b) {
    if (a !~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/ || b !~ /^-?[0-9.]+(e[-+]?[0-9]+)?$/) return 0
    difference = a - b
    if (difference < 0) difference = -difference
    larger = a < -1 ? -a : a > 1 ? a + 0 : 1
    return difference <= 1e-3 * larger
}

function row(side) {
    printf "%-12s %3d  %-7s %10.2f %10.2f %10.2f %10.2f %7.2f %7.2f  %s %s%s\n", name, threads, side,
        best["cajal"], median_of("cajal"), best[side], median_of(side), best[side] / best["cajal"],
        median_of(side) / median_of("cajal"), loss["cajal"], loss[side],
        "cajal" in peak && side in peak ? sprintf("  %.1f %.1f", peak["cajal"], peak[side]) : ""
    if (precision != "highest") return
    check(side, "ten steps", loss["cajal"], loss[side])
    if (early["cajal"] != "" && early[side] != "") check(side, "one step", early["cajal"], early[side])
}

function check(side, steps, ours, theirs) {
    if (agree(ours, theirs)) return
    printf "compare: %s, %d thread(s): the loss after %s is %s, that of %s is %s: more than 1e-3 apart, so the work is not the same\n",
        name, threads, steps, ours, side, theirs > "/dev/stderr"
    wrong = 1
}

END {
    if (!("cajal" in turns)) exit 1
    row("torch")
    if ("onnx" in turns) row("onnx")
    exit wrong
}
