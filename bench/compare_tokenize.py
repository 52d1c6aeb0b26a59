#!/usr/bin/env python3
"""Compares GPT-2's BPE with OpenAI's tiktoken: megabytes a second of processor time on one core, taking turns in one run, on the same
text, of which both must make the same tokens.

    bench/compare_tokenize.py --text FILE --encoder encoder.json --merges vocab.bpe [--torch-python PYTHON]
                              [--bench build/release/bench/tokenize] [--seconds 2] [--rounds 5]

Prints the best of each and ours over theirs (above 1: ours is faster).
"""
import argparse
import re
import subprocess
import time

from turns import go_on_under

# As tiktoken writes GPT-2's pattern, which is faster by it than the original.
PATTERN = r"""'(?:[sdmt]|ll|ve|re)| ?\p{L}++| ?\p{N}++| ?[^\s\p{L}\p{N}]++|\s++$|\s+(?!\S)|\s"""


def ours(options):
    command = [options.bench, "--seconds", str(options.seconds), options.encoder, options.text]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    tokens, digest, speed = re.search(r"tokens (\d+) digest (\d+) MB/s ([\d.]+)", output).groups()
    return int(tokens), int(digest), float(speed)


def open_theirs(options):
    import tiktoken
    from tiktoken.load import data_gym_to_mergeable_bpe_ranks

    ranks = data_gym_to_mergeable_bpe_ranks(vocab_bpe_file=options.merges, encoder_json_file=options.encoder)
    return tiktoken.Encoding("gpt2", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={"<|endoftext|>": 50256})


def theirs(options, encoding, text, size):
    best, start = 0, time.thread_time()
    before, ids = start, []
    while before - start < options.seconds:
        ids = encoding.encode_ordinary(text)
        after = time.thread_time()
        best, before = max(best, size / (after - before) / 1e6), after
    return ids, best


def digest_of(ids):
    total = 0
    for token in ids:
        total = (total * 1000003 + token) % (1 << 64)
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", help="the Python that has tiktoken, if not this one")
    parser.add_argument("--text", required=True)
    parser.add_argument("--encoder", required=True, help="GPT-2's encoder.json, with vocab.bpe beside it")
    parser.add_argument("--merges", required=True, help="GPT-2's vocab.bpe")
    parser.add_argument("--bench", default="build/release/bench/tokenize")
    parser.add_argument("--seconds", type=float, default=2, help="of a turn")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    go_on_under(options.torch_python, __file__)
    with open(options.text, encoding="utf-8") as file:
        text = file.read()
    encoding, size = open_theirs(options), len(text.encode())
    best_ours, best_theirs = 0, 0
    for _ in range(options.rounds):
        tokens, digest, speed = ours(options)
        ids, their_speed = theirs(options, encoding, text, size)
        if (tokens, digest) != (len(ids), digest_of(ids)):
            raise SystemExit(f"the tokens differ: {tokens} and {len(ids)}")
        best_ours, best_theirs = max(best_ours, speed), max(best_theirs, their_speed)
    print(f"{tokens} tokens, ours {best_ours:.2f} MB/s, tiktoken {best_theirs:.2f} MB/s, ratio {best_ours / best_theirs:.2f}")


if __name__ == "__main__":
    main()
