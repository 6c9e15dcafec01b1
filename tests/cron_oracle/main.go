// Command cronoracle says when the CronJob controller's own library, robfig/cron,
// would run a schedule.
//
// A question is one line of JSON on standard input, an answer one line on standard
// output, in the same order; see the types below. tests/support/cron_oracle.py
// builds it, makes the package `counted`, and asks.
//
// The library is asked as it is, but two of its answers are of no use to anybody.
// Where a zone leaves out a whole day, the search may stay on the day before for
// ever; then the answer is the library's from the last second of the day left out
// (LeftOut). Where clocks go back, the answer may be no later than the instant asked;
// then the library is asked again from a minute later on, and so on (TurnedBack).
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"cronoracle/counted"

	"github.com/robfig/cron/v3"
)

type question struct {
	Expression  string `json:"expression"`
	Zone        string `json:"zone"`
	Start       int64  `json:"start"` // seconds since 1970 …
	Nanoseconds int64  `json:"nanoseconds"`
	Count       int    `json:"count"` // how many firings, one after the other
	Local       bool   `json:"local"` // the zone is the controller's, not the CronJob's
}

type answer struct {
	Error      string   `json:"error,omitempty"`
	Instants   []*int64 `json:"instants"` // null ends it: there is no further firing
	LeftOut    bool     `json:"left_out,omitempty"`
	TurnedBack bool     `json:"turned_back,omitempty"`
}

func main() {
	if err := answerAll(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func answerAll(input io.Reader, output io.Writer) error {
	lines := bufio.NewReaderSize(input, 1<<20)
	buffer := bufio.NewWriterSize(output, 1<<20)
	encoder := json.NewEncoder(buffer)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return buffer.Flush()
		}
		if err != nil {
			return err
		}
		var q question
		if err := json.Unmarshal(line, &q); err != nil {
			return err
		}
		if err := encoder.Encode(reply(q)); err != nil {
			return err
		}
		// Whoever asks is waiting once there is nothing more to read.
		if lines.Buffered() == 0 {
			if err := buffer.Flush(); err != nil {
				return err
			}
		}
	}
}

// reply turns a panic of the library ("TZ=UTC" without a schedule) into an error.
func reply(q question) (a answer) {
	defer func() {
		if reason := recover(); reason != nil {
			a = answer{Error: fmt.Sprintf("panic: %v", reason)}
		}
	}()
	schedule, location, err := read(q)
	if err != nil {
		return answer{Error: err.Error()}
	}
	t := time.Unix(q.Start, q.Nanoseconds).In(location)
	for range make([]struct{}, q.Count) {
		found := a.later(schedule, t)
		if found.IsZero() {
			a.Instants = append(a.Instants, nil)
			break
		}
		unix := found.Unix()
		a.Instants = append(a.Instants, &unix)
		t = found
	}
	return a
}

// read checks a schedule as the API server does, then reads it as the controller
// does: the zone of a CronJob is put before the schedule, and without one the
// controller's own zone applies.
func read(q question) (cron.Schedule, *time.Location, error) {
	if q.Zone == "" || strings.EqualFold(q.Zone, "Local") {
		return nil, nil, errors.New("no time zone")
	}
	location, err := time.LoadLocation(q.Zone)
	if err != nil {
		return nil, nil, err
	}
	schedule, err := cron.ParseStandard(q.Expression)
	if err != nil || q.Local || strings.Contains(q.Expression, "TZ") {
		return schedule, location, err
	}
	schedule, err = cron.ParseStandard("TZ=" + q.Zone + " " + q.Expression)
	return schedule, time.UTC, err
}

// later finds the first firing after t; the zero time when there is none.
func (a *answer) later(schedule cron.Schedule, t time.Time) time.Time {
	found := a.next(schedule, t)
	for from := t; !found.IsZero() && !found.After(t); a.TurnedBack = true {
		from = from.Add(time.Minute)
		found = a.next(schedule, from)
	}
	return found
}

// next is the library's Next, except where that would not return.
func (a *answer) next(schedule cron.Schedule, t time.Time) time.Time {
	spec, isSpec := schedule.(*cron.SpecSchedule)
	if !isSpec {
		return schedule.Next(t)
	}
	stuck := endless(spec, t)
	if stuck == nil {
		return schedule.Next(t)
	}
	a.LeftOut = true
	year, month, day := stuck.Date()
	after := time.Date(year, month, day+2, 0, 0, 0, 0, stuck.Location())
	return a.next(schedule, after.Add(-time.Second).In(t.Location()))
}

// endless tells the day at which the search for the firing after t stays for ever.
func endless(spec *cron.SpecSchedule, t time.Time) (at *time.Time) {
	defer func() {
		if reason := recover(); reason != nil {
			stuck, isStuck := reason.(counted.Stuck)
			if !isStuck {
				panic(reason)
			}
			at = &stuck.At
		}
	}()
	search := counted.SpecSchedule(*spec)
	search.Next(t)
	return nil
}
