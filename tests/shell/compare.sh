# bench/compare against stand-ins for PyTorch: what it reads, the ratios it prints, when it fails. And bench/workloads
# starts from the weights and batch of a file: zeros, for which the losses are known.
# level: quick
set -eu
compare=$source/bench/compare

# Each side prints the next line of its file; the last one goes on for ever.
stand_in() { # NAME LINES
    printf '%s\n' "$2" >"$scratch/$1.lines"
    : >"$scratch/$1.count"
    cat >"$scratch/$1" <<EOF
#!/bin/sh
for argument; do [ "\$argument" != -c ] || exit 1; done # "import onnx" fails
echo "$1 \$*" >>"$scratch/calls"
echo x >>"$scratch/$1.count"
turn=\$(wc -l <"$scratch/$1.count")
{ sed -n "\${turn}p" "$scratch/$1.lines"; tail -n 1 "$scratch/$1.lines"; } | head -n 1
EOF
    chmod +x "$scratch/$1"
}
says() { # CODE TEXT ARGUMENTS...
    code=$1 text=$2 got=0
    shift 2
    : >"$scratch/torch.count"
    : >"$scratch/cajal.count"
    "$compare" "$@" >"$scratch/out" 2>&1 || got=$?
    [ "$got" = "$code" ] || { echo "compare $*: exit $got, not $code"; cat "$scratch/out"; exit 1; }
    grep -qE -- "$text" "$scratch/out" || { echo "compare $*: no '$text' in:"; cat "$scratch/out"; exit 1; }
}
sides="--torch-python $scratch/torch --bench $scratch/cajal"

# Three turns: the best of all, the median of the medians. The first of PyTorch's lines is of the run that saves.
stand_in cajal "mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss 1.500
mlp thr 1 steps 9 best_us 100.0 median_us 900.0 loss 1.500
mlp thr 1 steps 9 best_us 105.0 median_us 125.0 loss 1.500"
stand_in torch "mlp thr 1 steps 3 best_us 1.0 median_us 1.0 loss 1.501
a warning of some library
mlp thr 1 steps 9 best_us 250.0 median_us 250.0 loss 1.501"
says 1 'no line with best_us' mlp $sides --rounds 3
stand_in torch "mlp thr 1 steps 3 best_us 1.0 median_us 1.0 loss 1.501
mlp thr 1 steps 9 best_us 250.0 median_us 260.0 loss 1.501
mlp thr 1 steps 9 best_us 270.0 median_us 300.0 loss 1.501
mlp thr 1 steps 9 best_us 260.0 median_us 250.0 loss 1.501"
says 0 '^mlp +1 +torch +100.00 +125.00 +250.00 +260.00 +2.50 +2.08 +1.500 1.501$' mlp $sides --rounds 3
says 0 '^mlp +2 +torch' mlp $sides --rounds 1 --threads 1,2

# What each side is told.
: >"$scratch/calls"
says 0 'ONNX Runtime is left out' mlp $sides --rounds 1 --eval --precision high
grep -q '^cajal mlp --threads 1 --seconds 1 --eval --batch 1 --precision high --init /' "$scratch/calls"
grep -q '^torch .*torch_workloads.py mlp --threads 1 --seconds 1 --eval --batch 1 --precision high$' "$scratch/calls"
grep -q -- '--seconds 0 .*--save-init /' "$scratch/calls"

# Losses that differ, by little and by being no numbers.
for loss in 1.503 -1.500 nan inf; do
    stand_in torch "mlp thr 1 steps 3 best_us 1.0 median_us 1.0 loss $loss"
    says 1 'more than 1e-3 apart' mlp $sides --rounds 1
done
says 0 'torch' mlp $sides --rounds 1 --precision high
stand_in cajal "mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss nan"
stand_in torch "mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss nan"
says 1 'more than 1e-3 apart' mlp $sides --rounds 1

# What is left of a batch learned by heart; then the loss after one step tells.
stand_in cajal "mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss 0.00094 loss_after_one 1.252 first_step_us 9"
stand_in torch "mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss 0.00101 loss_after_one 1.253"
says 0 'torch' mlp $sides --rounds 1
stand_in torch "mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss 0.00094 loss_after_one 1.254"
says 1 'after one step is 1.252, that of torch is 1.254' mlp $sides --rounds 1
stand_in torch "mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss 0.00200 loss_after_one 1.252"
says 1 'after ten steps is 0.00094, that of torch is 0.00200' mlp $sides --rounds 1

# Memory, the most of all turns.
stand_in cajal "mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss 1.5 first_step_us 9 peak_mb 3.5
mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss 1.5 first_step_us 9 peak_mb 12.5
mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss 1.5 first_step_us 9 peak_mb 4.5"
stand_in torch "mlp thr 1 steps 9 best_us 110.0 median_us 120.0 loss 1.5 peak_mb 40.0"
says 0 ' 1.5 1.5  12.5 40.0$' mlp $sides --rounds 3

# Programs that fail, and that are not there.
printf '#!/bin/sh\necho "No module named torch" >&2\nexit 1\n' >"$scratch/torch"
says 1 'No module named torch' mlp $sides
says 1 "there is no program '$scratch/none'" mlp --torch-python "$scratch/none"
says 1 'is not built' mlp --torch-python sh --bench "$scratch/none"
says 1 "rounds is 'many'" mlp $sides --rounds many
says 2 'bench/compare NAME' mlp
says 2 'bench/compare NAME' $sides
says 2 'bench/compare NAME' mlp $sides --bogus

# The real program. A file of zeros: a header of 1024 bytes, then the tensors one after another.
workloads=$build/bench/workloads
zeros() { # FILE TENSORS: "name type shape bytes" a line
    printf '%s\n' "$2" | awk '{
        printf "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[%s],\"data_offsets\":[%d,%d]}", NR == 1 ? "{" : ",", $1, $2, $3, at, at + $4
        at += $4
    } END { print "}" }' >"$scratch/header"
    { printf '\0\4\0\0\0\0\0\0'; printf '%-1024s' "$(cat "$scratch/header")"
      head -c "$(printf '%s\n' "$2" | awk '{ n += $4 } END { print n }')" /dev/zero; } >"$1"
}
weights='0.weight F32 64,784 200704
0.bias F32 64 256
2.weight F32 64,64 16384
2.bias F32 64 256
4.weight F32 10,64 2560
4.bias F32 10 40'
zeros "$scratch/training" "$weights
batch.x F32 128,784 401408
batch.y I32 128 512"
zeros "$scratch/single" "$weights
batch.x F32 1,784 3136
batch.y I32 1 4"
zeros "$scratch/less" "$weights
batch.x F32 1,784 3136"
zeros "$scratch/more" "$weights
6.weight F32 1 4
batch.x F32 1,784 3136
batch.y I32 1 4"
# of pictures, [N,C,H,W] in the file
filters='0.weight F32 32,1,3,3 1152
0.bias F32 32 128
2.weight F32 64,32,3,3 73728
2.bias F32 64 256
6.weight F32 128,9216 4718592
6.bias F32 128 512
8.weight F32 10,128 5120
8.bias F32 10 40'
zeros "$scratch/pictures" "$filters
batch.x F32 4,1,28,28 12544
batch.y I32 4 16"
zeros "$scratch/sideways" "$filters
batch.x F32 4,28,28,1 12544
batch.y I32 4 16"
prints() { # CODE TEXT ARGUMENTS...
    code=$1 text=$2 got=0
    shift 2
    "$workloads" "$@" --seconds 0 >"$scratch/out" 2>&1 || got=$?
    [ "$got" = "$code" ] && grep -qE -- "$text" "$scratch/out" && return
    echo "workloads $*: exit $got, not $code, or no '$text' in:"
    cat "$scratch/out"
    exit 1
}
# log 10; and log(1 + 9 exp(-0.02)) after ten steps of 0.001 up for the first bias and down for the others
prints 0 '^mlp-eval thr 1 batch 1 params 55050 steps [0-9]+ best_us [0-9.]+ median_us [0-9.]+ loss 2.302585[01] ' mlp --eval \
    --batch 1 --init "$scratch/single"
prints 0 '^mlp thr 2 batch 128 params 55050 .* loss 2.2846' mlp --threads 2 --init "$scratch/training"
prints 0 ' loss [0-9].* peak_mb [0-9]*\.[0-9]$' mlp
prints 0 '^cnn thr 1 batch 4 params 1199882 .* loss 2.2846' cnn --batch 4 --init "$scratch/pictures"
prints 0 '^cnn-eval thr 1 batch 4 params 1199882 .* loss 2.302585[01] ' cnn --batch 4 --eval --init "$scratch/pictures"
prints 0 '^resnet18-eval thr 1 batch 1 params 11173962 .* loss [0-9]' resnet18 --batch 1 --eval
prints 1 "batch.x' has another element type or shape" cnn --batch 4 --init "$scratch/sideways"
prints 1 "'0.weight' .*32,1,3,3" mlp --init "$scratch/pictures"
prints 1 "batch.y' is missing" mlp --eval --batch 1 --init "$scratch/less"
prints 1 "6.weight' is not in the network" mlp --eval --batch 1 --init "$scratch/more"
prints 1 "batch.x' has another element type or shape" mlp --init "$scratch/single"
prints 1 "none" mlp --init "$scratch/none"
prints 0 ' loss [0-9]' mlp --precision medium
prints 2 "not understood" mlp --precision low
prints 2 "usage:" perceptron
prints 2 "not understood" mlp --threads 0
