module heartbeats.dev/bench/load

go 1.22
