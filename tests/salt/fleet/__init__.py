"""The fleet: a Salt master, a tracker and twelve clients, each a booted systemd container in a network of its own.

The bed runs in namespaces of its own (:mod:`fleet.enter`), so that nothing of it is left over however it ends. What is
where: :mod:`fleet.network` sites, routers, shaped links, counters; :mod:`fleet.container` one client; :mod:`fleet.master`
Salt's master and how it is driven; :mod:`fleet.bed` all of them together; :mod:`fleet.payload` the files to distribute;
:mod:`fleet.watch` what the agents say, asked without a byte on the links; :mod:`fleet.demo` the rollout, to be started as
``python -m fleet.demo``; :mod:`fleet.report` what came of it.
"""

from .enter import why_not

__all__ = ["why_not"]
