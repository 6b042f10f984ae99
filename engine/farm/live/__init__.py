"""How a run is seen while it goes on: on a terminal, as plain lines, in a browser, by Prometheus and OpenTelemetry."""
