"""A server without networks that can be killed and started again at once.

Imports everything, then starts a process of its own for each line of standard input; its address
is printed. The line is the folder of photos. Linux and macOS.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

from maskwright.app.networks import Loaders
from maskwright.app.run import run_server
from maskwright.app.workplace import Workplace
from maskwright.errors import WeightsError


def none():
    raise WeightsError("expected weights, this server has none")


def serve(folder):
    loaders = Loaders(none, none, {"none": none}, click="none", segment="none")
    workplace = Workplace(Path(folder), loaders, uploads=True)
    run_server(workplace, host="127.0.0.1", port=0, say=lambda url: print(url, flush=True))


for late in ("uvicorn.lifespan.on", "uvicorn.loops.auto", "uvicorn.protocols.http.auto"):
    import_module(late)
for line in sys.stdin:
    child = os.fork()
    if not child:
        serve(line.strip())
        os._exit(0)
    print(child, flush=True)
    os.waitpid(child, 0)
