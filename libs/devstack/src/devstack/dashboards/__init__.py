"""The Grafana dashboards of the chart, made of the tables beside this file."""
