"""Features of flights, known when the plane leaves the gate.

The schedule, the departure delay, the newest complete hour of weather, the plane, and what flights taught
that landed on days before the flight's date. Pure functions from data frames to data frames.
"""

from __future__ import annotations

import datetime
import math

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

HIGHEST_WIND_MPH = 253
"""No wind was ever faster (World Meteorological Organization, Barrow Island 1996): the instrument failed."""
RECENT_DAYS = 3
"""A second, short look back beside the whole history: winds aloft last for days."""
TAXI_MINUTES = 120
"""More than taxiing out and in take together: departure, this and the time in the air bound the arrival."""
LAST_HOUR = 23
DAY_MINUTES = 24 * 60
EPOCH = datetime.date(1970, 1, 1)

HISTORY_KEYS = {
    "route": ["origin", "dest"],
    "carrier": ["carrier", "dest"],
    "plane": ["tailnum"],
    "hour": ["origin", "hour"],
}
IDENTITY = ["date", "carrier", "flight", "tailnum", "origin", "dest", "sched_dep_time"]
TARGET = "en_route_delay"
ORDER = ["sched_dep_time", "carrier", "flight", "origin", "dest", "tailnum"]


def minute_of_day(clock: str) -> Column:
    """Minutes since midnight of a clock reading such as 1435; 2400 is the midnight that ends the day."""
    return F.floor(F.col(clock) / 100) * 60 + F.col(clock) % 100


def flown(flights: DataFrame) -> DataFrame:
    """Flights that arrived, with the target and the columns that the features are made from.

    Cancelled and diverted flights have no arrival delay and are left out.
    """
    sched_dep_minute = minute_of_day("sched_dep_time")
    landed = sched_dep_minute + F.col("dep_delay") + F.col("air_time") + TAXI_MINUTES
    # On the clocks of both ends: off by their time difference, which is the same for a whole route.
    sched_minutes = (minute_of_day("sched_arr_time") - sched_dep_minute + DAY_MINUTES) % DAY_MINUTES
    return flights.where(
        "arr_delay is not null and dep_delay is not null and air_time is not null"
    ).withColumns(
        {
            TARGET: F.col("arr_delay") - F.col("dep_delay"),
            "sched_dep_minute": sched_dep_minute.cast("int"),
            "sched_minutes": sched_minutes.cast("int"),
            "day_number": F.datediff("date", F.lit(EPOCH)),
            "days_until_landed": F.floor(landed / DAY_MINUTES),
        }
    )


def past_days(flights: DataFrame, first: datetime.date, last: datetime.date, history_days: int) -> DataFrame:
    """What the days before each date from ``first`` to ``last`` taught of routes, carriers, planes and hours.

    A row for each ``key`` and ``day_number``: the mean delay en route and the mean of the minutes taken, over
    the ``history_days`` days before and over the last few. A flight that landed after midnight counts from a
    day later on, one later than that never: its outcome was not known when the day began. What was not flown
    in those days has no row, as nothing has at the feed's beginning. Sums are of whole numbers, so the order
    of rows can't change them.
    """
    late = F.col("days_until_landed")
    first_day = F.greatest(F.col("day_number") + 1 + late, F.lit((first - EPOCH).days)).cast("int")
    last_day = F.least(F.col("day_number") + history_days, F.lit((last - EPOCH).days))
    taught = flights.where(late.isin(0, 1) & (first_day <= last_day)).withColumns(
        {
            "key": F.explode(F.array(*[history_key(group) for group in HISTORY_KEYS])),
            "minutes": F.col("sched_minutes") + F.col(TARGET),
        }
    )
    days = F.explode(F.sequence(first_day, last_day)).alias("taught_day")
    taught = taught.select("key", days, "day_number", F.col(TARGET).alias("delay"), "minutes")
    recent = F.col("taught_day") - F.col("day_number") <= RECENT_DAYS
    means = [F.avg(name).alias(name) for name in ("delay", "minutes")]
    recent_means = [
        F.avg(F.when(recent, F.col(name))).alias(f"{name}_recent") for name in ("delay", "minutes")
    ]
    past = taught.groupBy("key", F.col("taught_day").alias("day_number")).agg(*means, *recent_means)
    # Kept because it is joined once a group, each time for other columns.
    return past.cache()


def history_key(group: str) -> Column:
    """Names one route, carrier, plane or hour among all: ``route|JFK|LAX``."""
    return F.concat_ws("|", F.lit(group), *HISTORY_KEYS[group])


def with_history(flights: DataFrame, past: DataFrame) -> DataFrame:
    """Adds what :func:`past_days` found for the flight's route, carrier, plane and hour."""
    measures = [name for name in past.columns if name not in ("key", "day_number")]
    flights = flights.withColumns({f"{group}_key": history_key(group) for group in HISTORY_KEYS})
    for group in HISTORY_KEYS:
        renamed = past.select(
            F.col("key").alias(f"{group}_key"),
            "day_number",
            *[F.col(measure).alias(f"{group}_{measure}") for measure in measures],
        )
        flights = flights.join(F.broadcast(renamed), [f"{group}_key", "day_number"], "left")
    return flights


def with_weather(flights: DataFrame, weather: DataFrame) -> DataFrame:
    """Adds the weather at the origin in the newest hour that was over when the plane left the gate.

    A plane that leaves after midnight gets the last hour of its flight's date: later weather is in the next
    day's partition, which need not be there yet.
    """
    gate_minute = F.col("sched_dep_minute") + F.col("dep_delay")
    hours = F.least(F.floor(gate_minute / 60) - 1, F.lit(LAST_HOUR)) - F.col("hour")
    flights = flights.withColumn("weather_time", F.unix_timestamp("time_hour") + hours * 3600)
    direction = F.radians("wind_dir")
    wind_speed = F.when(F.col("wind_speed") <= HIGHEST_WIND_MPH, F.col("wind_speed"))
    observed = weather.select(
        "origin",
        F.unix_timestamp("time_hour").alias("weather_time"),
        "temp",
        "dewp",
        "humid",
        wind_speed.alias("wind_speed"),
        "wind_gust",
        "precip",
        "pressure",
        "visib",
        (wind_speed * F.sin(direction)).alias("wind_from_east"),
        (wind_speed * F.cos(direction)).alias("wind_from_north"),
    )
    return flights.join(F.broadcast(observed), ["origin", "weather_time"], "left")


def with_planes(flights: DataFrame, planes: DataFrame) -> DataFrame:
    """Adds seats, engines and age in years; a plane that isn't listed has none of them."""
    listed = planes.select("tailnum", "seats", "engines", F.col("year").alias("plane_year"))
    return flights.join(F.broadcast(listed), "tailnum", "left").withColumn(
        "plane_age", F.year("date") - F.col("plane_year")
    )


def with_schedule(flights: DataFrame) -> DataFrame:
    """Adds what the timetable says: time of day and week on a circle, the origin, and how many minutes more
    than planned the flight takes if it takes what its route, or its carrier there, took on past days.
    """
    time_of_day = F.col("sched_dep_minute") * (2 * math.pi / DAY_MINUTES)
    weekday = F.weekday("date") * (2 * math.pi / 7)
    added = {
        "time_of_day_sin": F.sin(time_of_day),
        "time_of_day_cos": F.cos(time_of_day),
        "weekday_sin": F.sin(weekday),
        "weekday_cos": F.cos(weekday),
        "from_jfk": F.col("origin") == "JFK",
        "from_lga": F.col("origin") == "LGA",
    }
    for group in ("route", "carrier"):
        for span in ("", "_recent"):
            added[f"{group}_expected{span}"] = F.col(f"{group}_minutes{span}") - F.col("sched_minutes")
    return flights.withColumns(added)


FEATURES = [
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
    "seats",
    "engines",
    "plane_age",
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
    "route_expected",
    "route_expected_recent",
    "carrier_expected",
    "carrier_expected_recent",
    "route_delay",
    "route_delay_recent",
    "carrier_delay",
    "carrier_delay_recent",
    "plane_delay",
    "plane_delay_recent",
    "hour_delay",
    "hour_delay_recent",
]


def features(arrived: DataFrame, past: DataFrame, weather: DataFrame, planes: DataFrame) -> DataFrame:
    """One row a flight of ``arrived``: identity, features, target."""
    joined = with_schedule(with_planes(with_weather(with_history(arrived, past), weather), planes))
    numeric = [F.col(name).cast("double").alias(name) for name in (*FEATURES, TARGET)]
    return joined.select(*IDENTITY, *numeric)
