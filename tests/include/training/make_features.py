"""Writes made-up features for the tests; runs where pandas is. The delay follows two features and chance."""

from __future__ import annotations

import datetime
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from features import FEATURES, TARGET

call = json.loads(sys.argv[1])
for date in call["dates"]:
    day = datetime.date.fromisoformat(date)
    chance = np.random.default_rng(day.toordinal())
    rows = pd.DataFrame(chance.normal(size=(call["rows"], len(FEATURES))), columns=FEATURES)
    rows[TARGET] = 10 * rows["dep_delay"] + 5 * rows["route_expected"] + chance.normal(size=len(rows))
    rows.loc[::7, "wind_gust"] = None
    rows["date"], rows["origin"], rows["dest"] = day, "JFK", np.where(rows.index % 2, "LAX", "BOS")
    rows = rows.drop(columns=call.get("without", []))
    path = Path(call["channel"]) / f"day={date}" / "part-00000.snappy.parquet"
    path.parent.mkdir(parents=True)
    rows.to_parquet(path, index=False)
