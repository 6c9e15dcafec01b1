// Package counted is the library's search, spec.go, with one thing added: it counts
// its steps from day to day, so that a search without an end is known before the
// library itself is asked. The build makes the rest of it from the module's source.
package counted

import "time"

// Limit is more steps than any search with an end takes: a day each, for seven years.
const Limit = 366 * 7

// Stuck is what a search without an end panics with: the day that it stays on.
type Stuck struct{ At time.Time }
