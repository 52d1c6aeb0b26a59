#!/usr/bin/env python3
"""Compares a training step of GPT-2's shape, 124 million parameters, batch 4 of 64 tokens, with llm.c's program for the CPU, in turns.

    bench/compare_llmc.py --llmc FOLDER [--bench build/release/bench/workloads] [--threads 2] [--rounds 2] [--steps 4]

FOLDER is a copy of llm.c in which `make train_gpt2` was run, with OpenMP. Both sides begin with random weights and train on random tokens, so
that nothing is downloaded: half a gigabyte of weights is written to a temporary folder. Prints the best step of each, in milliseconds, and
theirs over ours (above 1: ours is faster).
"""
import argparse
import array
import os
import random
import re
import subprocess
import tempfile

LAYERS, HEADS, WIDTH, BLOCK, VOCABULARY, PADDED = 12, 12, 768, 1024, 50257, 50304
TOKENS = 4 * 64 * 60


def header(numbers):
    return array.array("i", numbers + [0] * (256 - len(numbers))).tobytes()


def noise(count, scale, pool=1 << 16):
    """`count` floats, nearly normal: one pool of them over and over."""
    drawn = array.array("f", (random.gauss(0, scale) for _ in range(pool))).tobytes()
    whole, rest = divmod(4 * count, len(drawn))
    return drawn * whole + drawn[:rest]


def constant(count, value):
    return array.array("f", [value]).tobytes() * count


def write_weights(path):
    """Tensors as llm.c orders them: embeddings, then each kind of weight for all layers."""
    scale, square = 0.02, WIDTH * WIDTH
    with open(path, "wb") as file:
        file.write(header([20240326, 3, BLOCK, VOCABULARY, LAYERS, HEADS, WIDTH, PADDED]))
        file.write(noise(PADDED * WIDTH, scale) + noise(BLOCK * WIDTH, scale))
        for _ in range(LAYERS):
            file.write(constant(WIDTH, 1.0))
        file.write(constant(LAYERS * WIDTH, 0.0))
        file.write(noise(LAYERS * 3 * square, scale) + constant(LAYERS * 3 * WIDTH, 0.0))
        file.write(noise(LAYERS * square, scale) + constant(LAYERS * WIDTH, 0.0))
        file.write(constant(LAYERS * WIDTH, 1.0) + constant(LAYERS * WIDTH, 0.0))
        file.write(noise(LAYERS * 4 * square, scale) + constant(LAYERS * 4 * WIDTH, 0.0))
        file.write(noise(LAYERS * 4 * square, scale) + constant(LAYERS * WIDTH, 0.0))
        file.write(constant(WIDTH, 1.0) + constant(WIDTH, 0.0))


def write_tokens(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(header([20240520, 1, TOKENS]))
        file.write(array.array("H", (random.randrange(VOCABULARY) for _ in range(TOKENS))).tobytes())


def theirs(options, folder):
    """Milliseconds of the first steps; the program would go on, and is stopped."""
    command = [os.path.abspath(os.path.join(options.llmc, "train_gpt2"))]
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    times = []
    with subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True) as program:
        for line in program.stdout:
            found = re.match(r"step \d+: train loss [\d.]+ \(took ([\d.]+) ms\)", line)
            if found:
                times.append(float(found[1]))
            if len(times) == options.steps:
                break
        program.kill()
    if len(times) < options.steps:
        raise SystemExit(f"{command[0]} ended after {len(times)} steps")
    return min(times)


def ours(options):
    command = [options.bench, "gpt2", "--threads", str(options.threads), "--seconds", "1"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return float(re.search(r" best_us ([\d.]+)", output)[1]) / 1000


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--llmc", required=True, help="a folder with llm.c's train_gpt2, built")
    parser.add_argument("--bench", default="build/release/bench/workloads")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=4, help="of llm.c in a round")
    options = parser.parse_args()
    random.seed(1)
    with tempfile.TemporaryDirectory() as folder:
        write_weights(os.path.join(folder, "gpt2_124M.bin"))
        for part in ("train", "val"):
            write_tokens(os.path.join(folder, "dev/data/tinyshakespeare", f"tiny_shakespeare_{part}.bin"))
        best_ours = best_theirs = float("inf")
        for _ in range(options.rounds):
            best_ours = min(best_ours, ours(options))
            best_theirs = min(best_theirs, theirs(options, folder))
    print(f"gpt2, {options.threads} threads: ours {best_ours:.0f} ms, llm.c {best_theirs:.0f} ms a step, ratio {best_theirs / best_ours:.2f}")


if __name__ == "__main__":
    main()
