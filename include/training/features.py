"""The columns of the prepared features, shared by training and serving; include/spark writes them."""

from __future__ import annotations

FEATURES = [
    # Schedule
    "dep_delay",
    "distance",
    "sched_dep_minute",
    "sched_minutes",
    "time_of_day_sin",
    "time_of_day_cos",
    "weekday_sin",
    "weekday_cos",
    "from_jfk",
    "from_lga",
    # Plane
    "seats",
    "engines",
    "plane_age",
    # Weather at the origin
    "temp",
    "dewp",
    "humid",
    "wind_speed",
    "wind_gust",
    "wind_from_east",
    "wind_from_north",
    "precip",
    "pressure",
    "visib",
    # Past days: minutes over schedule if the flight takes what its route, or its carrier there, took
    "route_expected",
    "route_expected_recent",
    "carrier_expected",
    "carrier_expected_recent",
    # Past days: mean delay en route
    "route_delay",
    "route_delay_recent",
    "carrier_delay",
    "carrier_delay_recent",
    "plane_delay",
    "plane_delay_recent",
    "hour_delay",
    "hour_delay_recent",
]
"""Numeric, in the order the model takes them; any of them may be missing in a row, which is null."""

TARGET = "en_route_delay"
"""Arrival minus departure delay in minutes; negative when time was made up."""

ROUTE = ["origin", "dest"]
DATE = "date"
