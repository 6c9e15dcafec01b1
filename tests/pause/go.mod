// What keeps a pod's namespaces open on the node of the end-to-end tests.
module heartbeats.dev/tests/pause

go 1.26.0
