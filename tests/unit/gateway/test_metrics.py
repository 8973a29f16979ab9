from gateway.metrics import prometheus


def test_numbers_become_gauges_and_paths_become_labels():
    text = prometheus(
        {
            "received": 3,
            "latency_ms": {"ingest_p50": 1.5, "ingest_p99": None},
            "streams": {'s/a/p"1/main': {"received": 2}},
            "stored": {"s/a/p1/main": 7},
            "sources": {"mqtt": {"state": "connected"}},
            "up": True,
        },
        "gateway",
    )
    assert text.splitlines() == [
        "# TYPE testbed_received gauge",
        'testbed_received{role="gateway"} 3',
        "# TYPE testbed_latency_ms_ingest_p50 gauge",
        'testbed_latency_ms_ingest_p50{role="gateway"} 1.5',
        "# TYPE testbed_streams_received gauge",
        'testbed_streams_received{role="gateway",stream="s/a/p\\"1/main"} 2',
        "# TYPE testbed_stored gauge",
        'testbed_stored{role="gateway",stream="s/a/p1/main"} 7',
    ]
