"""Many sessions by plan: on one core, on all cores, or on a cluster; counted once, resumed, and shown.

`engine.farm.plan` says what to run, `policy` when, `caller` how one session goes, `worker` and `coordinator` where;
`ledger` keeps what came of it, `live` and `report` show it.
"""
