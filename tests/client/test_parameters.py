"""From a notebook's values to the form of a request."""

from __future__ import annotations

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Column, Table

from jupyter_uws.analysis.quicklook import quicklook
from jupyter_uws.client.parameters import encode
from jupyter_uws.jobs.describe import describe

QUICKLOOK = describe(quicklook).model_dump(mode="json")


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"nxpix": 100}, {"nxpix": "100"}),
        ({"NXPIX": np.int64(100)}, {"nxpix": "100"}),
        ({"binsz": 0.02}, {"binsz": "0.02"}),
        ({"binsz": 1.2 * u.arcmin}, {"binsz": "0.02"}),
        ({"binsz": 6.6 * u.arcmin}, {"binsz": "0.11"}),
        ({"energy_min": 500 * u.GeV}, {"energy_min": "0.5"}),
        ({"energy_min": "500 GeV"}, {"energy_min": "0.5"}),
        ({"binsz": "1.2arcmin"}, {"binsz": "0.02"}),
        ({"binsz": " 2e-2"}, {"binsz": "0.02"}),
        ({"energy_min": np.float32(0.5)}, {"energy_min": "0.5"}),
        ({"obs_ids": "1"}, {"obs_ids": "1"}),
        ({"obs_ids": [1, "2"]}, {"obs_ids": ["1", "2"]}),
        ({"obs_ids": (str(i) for i in range(2))}, {"obs_ids": ["0", "1"]}),
        ({"obs_ids": np.array(["1", "2"])}, {"obs_ids": ["1", "2"]}),
        ({"obs_ids": Column(["1", "2"])}, {"obs_ids": ["1", "2"]}),
        ({"obs_ids": Table({"obs_id": ["1", "2"]})}, {"obs_ids": ["1", "2"]}),
        ({"obs_ids": Table({"obs_id": ["1"], "obs_publisher_did": ["ivo://a/b?1"]})}, {"obs_ids": ["ivo://a/b?1"]}),
        ({"position": SkyCoord(10.5, -20, unit="deg")}, {"RA": "10.5", "Dec": "-20.0"}),
        ({"position": "10.5 -20"}, {"RA": "10.5", "Dec": "-20.0"}),
        ({"position": "Crab"}, {"RA": "83.6331", "Dec": "22.0145"}),
        ({"RA": None, "nxpix": 50}, {"nxpix": "50"}),
    ],
)
def test_values(given: dict, sent: dict) -> None:
    form = encode(QUICKLOOK, given)
    assert form.keys() == sent.keys()
    for name, value in sent.items():
        if name in ("RA", "Dec", "binsz", "energy_min"):
            assert float(form[name]) == pytest.approx(float(value), rel=1e-12)
        else:
            assert form[name] == value


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nxpxi": 100}, "no parameter 'nxpxi'; did you mean 'nxpix'"),
        ({"zzz": 1}, "It takes: obs_ids"),
        ({"binsz": 1 * u.s}, "'binsz' is in deg; 1.0 s cannot be converted"),
        ({"binsz": "1 s"}, "'binsz' is in deg; 1.0 s cannot be converted"),
        ({"nxpix": 100 * u.deg}, "'nxpix' has no unit"),
        ({"nxpix": [1, 2]}, "'nxpix' takes one value, not 2"),
        ({"obs_ids": []}, "empty list"),
        ({"binsz": float("nan")}, "nan"),
        ({"binsz": {"a": 1}}, "got a dict"),
        ({"obs_ids": {"a": 1}}, "got a dict"),
        ({"position": "Crab", "RA": 1}, "twice"),
        ({"position": SkyCoord([1, 2], [3, 4], unit="deg")}, "one position"),
        ({"position": 83.6}, "not float"),
    ],
)
def test_what_cannot_be_sent_is_named(given: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        encode(QUICKLOOK, given)


def test_a_dict_is_a_text_of_json() -> None:
    """For instance the parameters of a notebook."""
    text = {"name": "x", "parameters": [{"name": "values", "type": "string"}]}
    assert encode(text, {"values": {"a": [1, "b"]}}) == {"values": '{"a": [1, "b"]}'}
    with pytest.raises(ValueError, match="'values' got a dict that is not JSON"):
        encode(text, {"values": {"a": float("nan")}})
