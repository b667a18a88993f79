"""Several processes that average their gradients, started and watched by torchrun's launcher."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, record
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from q2d2_stream.errors import Q2D2Error

__all__ = ["join", "launch"]


def launch(run: Callable[[], Any], processes: int) -> None:
    """Run ``run``, which can be pickled, in several single-threaded processes of this machine.

    On a CPU this is faster than one process with several threads: the threads of every small
    operation wait for each other, the processes only once per step. On several machines start
    ``torchrun`` itself: :mod:`research.train` joins the group it finds.

    Raises Q2D2Error with the sentence of the first process that failed on purpose.
    """
    config = LaunchConfig(
        run_id="train",
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        rdzv_backend="c10d",
        rdzv_endpoint="127.0.0.1:0",  # any free port: two runs may share a machine
        local_addr="127.0.0.1",
        max_restarts=0,
        start_method="spawn",
    )
    try:
        refusals = elastic_launch(config, join)(run)
    except ChildFailedError as error:
        raise Q2D2Error(f"a training process failed: {error.get_first_failure()[1]}") from error
    for refusal in refusals.values():
        if refusal is not None:
            raise Q2D2Error(refusal)


@record
def join(run: Callable[[], Any]) -> str | None:
    """Run ``run`` in the group that torchrun has started this process in.

    Returns the sentence of what it refused, so that a parent can say it; None when it is done.
    """
    torch.set_num_threads(1)
    # A run that is stopped for a while must not be taken for a dead one.
    backend = "nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=timedelta(days=2))
    dist.barrier()  # or one that fails at once would look to the others like a lost connection
    level = logging.INFO if dist.get_rank() == 0 else logging.WARNING
    logging.basicConfig(level=level, format="%(message)s")
    try:
        run()
    except Q2D2Error as error:
        return str(error)
    finally:
        dist.destroy_process_group()
    return None
