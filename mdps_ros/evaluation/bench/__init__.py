"""Speed against peers on the same work: `mdps bench`.

Each suite yields cases, each case times its contenders in turn in one process (`timing`), so that
a busy machine slows all of them alike and the ratios hold.
"""
