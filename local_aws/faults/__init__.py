"""Breaking the embedded AWS on purpose; nothing breaks unless it is asked for.

``POST /_local/faults`` replaces the rules, ``GET`` shows them with how often each ``matched`` and ``hit``,
``DELETE`` clears them and ends the delays in progress. ``/moto-api/reset`` leaves them alone::

    {"seed": 7, "rules": [
        {"kind": "latency", "median": 0.2, "p99": 20, "scaled": true},
        {"kind": "throttling", "probability": 0.3, "user_agent": "*Airflow*"},
        {"kind": "response_lost", "service": "servicecatalog", "operation": "ProvisionProduct", "nth": 1}]}

Which calls a rule is for:

``service``, ``operation``
    By botocore's names, exact or with ``*`` and ``?``. Without them, any.
``user_agent``
    A pattern for the caller's. ``*Airflow*`` spares Spark, the feed and the AWS CLI.
``nth``, ``every`` or ``probability``
    The nth matching call, each nth of them, or by chance; without one of these, each.
``times``
    At most so many hits.

What befalls them, by ``kind``:

``error``
    ``code``, with ``status`` where AWS's own is not known and ``message`` where it matters. Not executed.
``throttling``
    The service's own throttling error. Not executed.
``latency``
    ``seconds``, or ``median`` and ``p99`` of a log-normal distribution, before anything else happens.
    ``scaled`` makes them AWS's seconds, shortened by the time scale. All rules of this kind add up.
``connection_reset``
    The connection ends before the request is executed.
``response_lost``
    The request is executed, then the connection ends.
``stale_reads``
    For ``seconds`` (``scaled``, too) after a write to the service, a read is answered as the last identical
    read before that write was; where there was none, with the error ``not_found``, a code. Without that,
    it is answered truly.

The rules are looked at in their order, and the first other than ``latency`` that hits decides. Chance is
a function of the seed, the rule and the call's number among its operation's calls: the same calls of an
operation meet the same, whatever happens beside them. ``GET /_local/requests`` notes for each call what
befell it, in ``faults``.

A call that waits holds one of the server's 32 threads. Livy, Spark and the containers are no AWS calls.
"""
