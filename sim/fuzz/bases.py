"""Small fleets of every topology, on which a random schedule runs in milliseconds."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, Final

Plain = dict[str, Any]

_LINKS: Final[dict[str, Plain]] = {
    "cam->gw": {"bandwidth": "250 kbit/s", "latency": "5 ms"},
    "gw->cloud": {"bandwidth": "5 Mbit/s", "latency": "40 ms"},
}
_NODES: Final[dict[str, Plain]] = {
    "cam": {"role": "camera", "count": 3, "uplink": "gw", "period": "1 s"},
    "gw": {"role": "gateway", "uplink": "cloud", "wait": "200 ms"},
    "cloud": {"role": "cloud", "wait": "600 ms"},
}
_COMMON: Final[Plain] = {
    "name": "fuzz",
    "samples": 12,
    "data": {"kind": "multiview", "train": 48, "test": 12, "cameras": 3},
    "model": {"training": {"epochs": 1, "seed": 0}},
}


def _fleet(**changes: Any) -> Plain:
    return deepcopy({**_COMMON, "nodes": _NODES, "links": _LINKS, **changes})


def _model(**sections: Any) -> Plain:
    return {"training": {"epochs": 1, "seed": 0}, **sections}


BASES: Final[tuple[Plain, ...]] = (
    _fleet(exits={"local": 0.6}),
    _fleet(exits={"device": 0.3, "local": 0.5}),
    _fleet(exits={"local": 0.5, "edge": 0.6}, model=_model(edge={"filters": 4, "blocks": 1})),
    _fleet(
        nodes={"cam": {**_NODES["cam"], "uplink": "cloud"}, "cloud": _NODES["cloud"]},
        links={"cam->cloud": {"bandwidth": "1 Mbit/s", "latency": "30 ms"}},
    ),
    _fleet(nodes={**_NODES, "cam": {**_NODES["cam"], "send": "raw"}}),
    _fleet(exits={"local": 0.6}, nodes={**_NODES, "gw": {**_NODES["gw"], "count": 2}}, sites=2, samples=6),
)
"""Local exit; device and local; edge section; no gateway; raw offload; two gateways at two sites."""
