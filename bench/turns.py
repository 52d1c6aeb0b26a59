"""What the comparisons with PyTorch have in common: PyTorch's best time, the mean of ratios, and going on under another Python."""
import math
import os
import sys
import time


def torch_best(run, seconds):
    """The least processor time of one call, in microseconds, over `seconds` of them; short ones are timed several at once."""
    run()
    best, repeats, start = math.inf, 1, time.thread_time()
    now = start
    while now - start < seconds or best == math.inf:
        for _ in range(repeats):
            run()
        end = time.thread_time()
        if end - now < 20e-6:
            repeats *= 2
        else:
            best = min(best, (end - now) / repeats)
        now = end
    return best * 1e6


def geometric_mean(ratios):
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def go_on_under(python, script):
    """Starts the script again, with the same arguments, under the Python that --torch-python names."""
    if not python or os.path.abspath(python) == sys.executable:
        return
    rest, skip = [], False
    for argument in sys.argv[1:]:
        if skip or argument == "--torch-python":
            skip = not skip
        elif not argument.startswith("--torch-python="):
            rest.append(argument)
    os.execv(python, [python, os.path.abspath(script), *rest])
