// Command load pings URLs as fast as so many connections can, and tells what came back.
//
// It speaks plain HTTP/1.1 by itself: what it costs must not be what is measured. The
// last line of its output is one JSON object; every acknowledged ping is in the file
// that -acked names, by the number of its URL.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand"
	"net"
	"net/url"
	"os"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	patience = 10 * time.Second
	pause    = 20 * time.Millisecond // after a connection that failed
)

type target struct {
	address string
	request []byte
}

// result is what one connection saw.
type result struct {
	codes     map[int]int
	latencies []time.Duration
	acked     []int   // how often each URL was acknowledged
	last      []int64 // when the last acknowledged ping of each URL was sent, in ns
	runIDs    []string
}

type settings struct {
	connections int
	keepAlive   bool
	duration    time.Duration
	each        bool
	within      time.Duration
	runIDs      bool
}

func main() {
	var use settings
	urls := flag.String("urls", "", "file with one URL a line")
	acked := flag.String("acked", "", "file to write what was acknowledged to")
	flag.IntVar(&use.connections, "connections", 64, "pings under way at once")
	flag.BoolVar(&use.keepAlive, "keep-alive", false, "many pings on a connection")
	flag.DurationVar(&use.duration, "duration", 10*time.Second, "how long")
	flag.BoolVar(&use.each, "each", false, "ping each URL once, instead of any for long")
	flag.DurationVar(&use.within, "within", 0, "with -each: spread over so long")
	named := flag.String("run-ids", "", "give each ping a run id; file for the acknowledged ones")
	flag.Parse()
	use.runIDs = *named != ""
	targets, err := read(*urls, use.keepAlive)
	if err == nil && len(targets) == 0 {
		err = fmt.Errorf("no URL in %s", *urls)
	}
	if err == nil {
		seen := run(targets, use)
		err = errors.Join(write(seen, *named), tell(seen, len(targets), use, *acked))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

// write tells which run ids were acknowledged, one a line.
func write(seen outcome, path string) error {
	if path == "" {
		return nil
	}
	var all []string
	for _, each := range seen.results {
		all = append(all, each.runIDs...)
	}
	return os.WriteFile(path, []byte(strings.Join(all, "\n")), 0o600)
}

func read(path string, keepAlive bool) ([]target, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []target
	for _, line := range strings.Fields(string(text)) {
		at, err := url.Parse(line)
		if err != nil {
			return nil, err
		}
		connection := "close"
		if keepAlive {
			connection = "keep-alive"
		}
		request := fmt.Sprintf("GET %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: load\r\nConnection: %s\r\n\r\n",
			at.RequestURI(), at.Host, connection)
		found = append(found, target{at.Host, []byte(request)})
	}
	return found, nil
}

type outcome struct {
	results []result
	took    time.Duration
}

func run(targets []target, use settings) outcome {
	results := make([]result, use.connections)
	var next atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	for number := range results {
		group.Add(1)
		go func() {
			defer group.Done()
			results[number] = ping(targets, use, began, number, &next)
		}()
	}
	group.Wait()
	return outcome{results, time.Since(began)}
}

func ping(targets []target, use settings, began time.Time, own int, next *atomic.Int64) result {
	seen := result{codes: map[int]int{}, acked: make([]int, len(targets)), last: make([]int64, len(targets))}
	dice := rand.New(rand.NewSource(rand.Int63()))
	var line *wire
	for {
		number := dice.Intn(len(targets))
		if use.runIDs { // the pings of one URL come one after the other
			number = number/use.connections*use.connections + own
			number = min(number, len(targets)-1-(len(targets)-1-own)%use.connections)
		}
		if use.each {
			number = int(next.Add(1)) - 1
			if number >= len(targets) {
				return seen
			}
			due := began.Add(use.within * time.Duration(number) / time.Duration(len(targets)))
			time.Sleep(time.Until(due))
		} else if time.Since(began) >= use.duration {
			return seen
		}
		sent := time.Now()
		to, id := targets[number], ""
		if use.runIDs {
			to, id = to.named(dice)
		}
		code := 0
		line, code = exchange(line, to, use.keepAlive)
		if code == 0 {
			time.Sleep(pause)
		}
		seen.codes[code]++
		seen.latencies = append(seen.latencies, time.Since(sent))
		if code == 200 {
			seen.acked[number]++
			seen.last[number] = sent.UnixNano()
			if use.runIDs {
				seen.runIDs = append(seen.runIDs, id)
			}
		}
	}
}

// named returns the target with a new run id in its query.
func (to target) named(dice *rand.Rand) (target, string) {
	half := dice.Uint64()
	id := fmt.Sprintf("%08x-%04x-4000-8000-%012x", uint32(half), uint16(half>>32), dice.Uint64()>>16)
	query := []byte("?rid=" + id + " HTTP/1.1")
	return target{to.address, bytes.Replace(to.request, []byte(" HTTP/1.1"), query, 1)}, id
}

type wire struct {
	connection net.Conn
	reader     *bufio.Reader
}

// exchange sends one request; code 0 is a connection that failed.
func exchange(line *wire, to target, keepAlive bool) (*wire, int) {
	if line == nil {
		connection, err := net.DialTimeout("tcp", to.address, patience)
		if err != nil {
			return nil, 0
		}
		line = &wire{connection, bufio.NewReaderSize(connection, 1024)}
	}
	line.connection.SetDeadline(time.Now().Add(patience))
	_, err := line.connection.Write(to.request)
	code := 0
	if err == nil {
		code, err = answer(line.reader)
	}
	if err != nil || !keepAlive {
		line.connection.Close()
		line = nil
	}
	if err != nil {
		return line, 0
	}
	return line, code
}

func answer(from *bufio.Reader) (int, error) {
	status, err := from.ReadString('\n')
	if err != nil || len(status) < 12 {
		return 0, fmt.Errorf("no status line: %w", err)
	}
	code, err := strconv.Atoi(status[9:12])
	length := 0
	for err == nil {
		var header string
		header, err = from.ReadString('\n')
		if header == "\r\n" {
			break
		}
		name, value, _ := strings.Cut(header, ":")
		if strings.EqualFold(name, "Content-Length") {
			length, err = strconv.Atoi(strings.TrimSpace(value))
		}
	}
	if err == nil {
		_, err = io.CopyN(io.Discard, from, int64(length))
	}
	return code, err
}

type ack struct {
	URL   int   `json:"url"`
	Count int   `json:"count"`
	Last  int64 `json:"last"`
}

func tell(seen outcome, urls int, use settings, path string) error {
	codes, latencies := map[string]int{}, []time.Duration{}
	acks := make([]ack, urls)
	total := 0
	for _, each := range seen.results {
		for code, count := range each.codes {
			codes[strconv.Itoa(code)] += count
		}
		latencies = append(latencies, each.latencies...)
		for number, count := range each.acked {
			acks[number].URL = number
			acks[number].Count += count
			acks[number].Last = max(acks[number].Last, each.last[number])
			total += count
		}
	}
	if path != "" {
		text, err := json.Marshal(acks)
		if err == nil {
			err = os.WriteFile(path, text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	sort.Slice(latencies, func(a, b int) bool { return latencies[a] < latencies[b] })
	at := func(share float64) float64 {
		if len(latencies) == 0 {
			return 0
		}
		return latencies[int(share*float64(len(latencies)-1))].Seconds()
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{
		"acked": total, "codes": codes, "seconds": seen.took.Seconds(),
		"per_s": float64(total) / seen.took.Seconds(),
		"p50_s": at(0.5), "p99_s": at(0.99), "max_s": at(1),
	})
}
