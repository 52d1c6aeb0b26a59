#!/usr/bin/env python3
"""Compares generation, tokens a second, one thread each, taking turns in one run: stories260K with llama2.c's program, and nanoGPT's GPT of
6 layers with PyTorch and a cache of keys and values.

    bench/compare_generate.py [--torch-python PYTHON] [--llama2c RUN --model stories260K.bin --tokenizer tok512.bin]
                              [--precision highest|medium] [--bench build/release/bench/generate] [--seconds 2] [--rounds 5]

RUN is `run.c` of llama2.c, built by its `make runfast`. At `medium` the GPT's weights are bf16 on both sides, with PyTorch all that is
computed as well. Prints the best of each and ours over theirs (above 1: ours is faster).
"""
import argparse
import re
import subprocess
import time

from turns import go_on_under

LAYERS, HEADS, WIDTH, BLOCK, VOCABULARY, TOKENS = 6, 6, 384, 256, 65, 256


def ours(options, name):
    command = [options.bench, "--threads", "1", "--seconds", str(options.seconds), "--tokens", str(TOKENS - 1), "--precision", options.precision, name]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.search(r": (\d+) a second", output)[1])


def llama2c(options):
    """Its own figure is for all tokens but the first."""
    best, end = 0, time.monotonic() + options.seconds
    while time.monotonic() < end:
        command = [options.llama2c, options.model, "-z", options.tokenizer, "-t", "0", "-n", str(TOKENS)]
        errors = subprocess.run(command, check=True, capture_output=True, env={"OMP_NUM_THREADS": "1"}).stderr.decode()
        best = max(best, float(re.search(r"achieved tok/s: ([\d.]+)", errors)[1]))
    return best


def torch_gpt(options):
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(1)
    torch.set_default_dtype(torch.bfloat16 if options.precision == "medium" else torch.float32)
    weights = [[torch.randn(rows, columns) * 0.02 for rows, columns in
                [(3 * WIDTH, WIDTH), (WIDTH, WIDTH), (4 * WIDTH, WIDTH), (WIDTH, 4 * WIDTH)]] for _ in range(LAYERS)]
    tokens, places = torch.randn(VOCABULARY, WIDTH) * 0.02, torch.randn(BLOCK, WIDTH) * 0.02
    cache, one = torch.zeros(LAYERS, 2, HEADS, BLOCK, WIDTH // HEADS), torch.ones(WIDTH)

    def step(token, at):
        x = tokens[token] + places[at]
        for layer, (attention, projection, up, down) in enumerate(weights):
            q, k, v = F.linear(F.layer_norm(x, [WIDTH], one), attention).view(3, HEADS, 1, -1)
            cache[layer, 0, :, at], cache[layer, 1, :, at] = k[:, 0], v[:, 0]
            y = F.scaled_dot_product_attention(q, cache[layer, 0, :, :at + 1], cache[layer, 1, :, :at + 1])
            x = x + F.linear(y.reshape(WIDTH), projection)
            x = x + F.linear(F.gelu(F.linear(F.layer_norm(x, [WIDTH], one), up), approximate="tanh"), down)
        return int(F.linear(F.layer_norm(x, [WIDTH], one), tokens).argmax())

    best, end = 0, time.monotonic() + options.seconds
    with torch.inference_mode():
        while time.monotonic() < end:
            start, token = time.monotonic(), 1
            for at in range(TOKENS - 1):
                token = step(token, at)
            best = max(best, (TOKENS - 1) / (time.monotonic() - start))
    return best


def compare(options, name, theirs_name, theirs):
    best_ours, best_theirs = 0, 0
    for _ in range(options.rounds):
        best_ours, best_theirs = max(best_ours, ours(options, name)), max(best_theirs, theirs(options))
    print(f"{name:<8} ours {best_ours:8.0f} tokens a second, {theirs_name} {best_theirs:8.0f}, ratio {best_ours / best_theirs:.2f}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="the Python that has PyTorch, if not this one")
    parser.add_argument("--llama2c", help="the program that `make runfast` of llama2.c builds; without it stories are left out")
    parser.add_argument("--model", help="stories260K.bin")
    parser.add_argument("--tokenizer", help="tok512.bin")
    parser.add_argument("--precision", choices=["highest", "medium"], default="highest")
    parser.add_argument("--bench", default="build/release/bench/generate")
    parser.add_argument("--seconds", type=float, default=2, help="of a turn")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if options.llama2c and not (options.model and options.tokenizer):
        parser.error("--llama2c needs --model, stories260K.bin, and --tokenizer, tok512.bin")
    go_on_under(options.torch_python, __file__)
    if options.llama2c:
        compare(options, "stories", "llama2.c", llama2c)
    compare(options, "gpt", "PyTorch", torch_gpt)


if __name__ == "__main__":
    main()
