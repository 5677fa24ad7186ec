"""Python's search for cyclic garbage, in processes that live long."""

import gc

SELDOM = 50_000  # new objects between two searches; a certificate makes some thousands


def search_seldom() -> None:
    """Leave alone what was built until now, and search seldom: it takes a tenth to a fifth of all time else."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(SELDOM)
