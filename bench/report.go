//go:build linux

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is what bench/results.json holds.
type report struct {
	Workload string   `json:"workload,omitempty"` // of lists
	Does     string   `json:"does,omitempty"`
	Date     string   `json:"date"`
	Machine  string   `json:"machine"`
	Versions []string `json:"versions"`
	Users    int      `json:"users"`
	Callers  int      `json:"callers"`
	Pool     int      `json:"pool"`
	Rounds   int      `json:"rounds"`
	Measure  string   `json:"measure"`
	Scores   []*score `json:"scores"`
	Bars     []bar    `json:"bars"`
}

// bar is what was aimed at: this server, or it on a table without row-level security, compared with another.
type bar struct {
	Ours   string  `json:"ours"`
	Theirs string  `json:"theirs"`
	Figure string  `json:"figure"`
	Conns  int     `json:"conns"`
	Most   float64 `json:"most"`
	Is     *ratio  `json:"is"` // nil if it was not measured
}

// ratio is the median of the ratios of all rounds, and the half of them in the middle.
type ratio struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

func (r ratio) String() string { return fmt.Sprintf("%.2f (%.2f to %.2f)", r.Median, r.Low, r.High) }

// mainConns is the number of connections that the bars are about, if it was measured.
const mainConns = 64

func (b *bench) report(ctx context.Context, scores []*score) (*report, error) {
	versions, err := b.versions(ctx)
	if err != nil {
		return nil, err
	}
	r := &report{
		Date:     time.Now().UTC().Format(time.DateOnly),
		Machine:  machine(),
		Versions: versions,
		Users:    b.users, Callers: b.options.tokens, Pool: b.pool, Rounds: b.rounds, Measure: b.measure.String(),
		Scores: scores,
	}
	r.Bars = r.bars()
	return r, nil
}

// versions are those that all contenders share.
func (b *bench) versions(ctx context.Context) ([]string, error) {
	all := []string{runtime.Version()}
	postgres, err := queryText(ctx, b.cluster.admin("postgres"), "show server_version")
	if err != nil {
		return nil, err
	}
	all = append(all, "PostgreSQL "+postgres)
	for _, command := range [][]string{{nodeBinary(), "--version"}, {"/usr/bin/python3", "--version"}} {
		if said, err := exec.CommandContext(ctx, command[0], command[1:]...).Output(); err == nil {
			version := strings.TrimSpace(string(said))
			if number, ok := strings.CutPrefix(version, "v"); ok {
				version = "Node " + number
			}
			all = append(all, version)
		}
	}
	return all, nil
}

// machine names the processor, the cores and the memory.
func machine() string {
	field := func(file, name string) string {
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
				return strings.TrimSpace(value)
			}
		}
		return "unknown"
	}
	var kilobytes int64
	_, _ = fmt.Sscan(field("/proc/meminfo", "MemTotal"), &kilobytes)
	return fmt.Sprintf("%s, %d cores, %d GB, %s/%s", cmp.Or(field("/proc/cpuinfo", "model name"), runtime.GOARCH), runtime.NumCPU(),
		(kilobytes+1<<19)>>20, runtime.GOOS, runtime.GOARCH)
}

func (r *report) save(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// markdown writes the tables.
func (r *report) markdown() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s; %s; %s.\n", r.Date, r.Machine, strings.Join(r.Versions, ", "))
	fmt.Fprintf(&out, "%d users, tokens of %d of them, %d connections to PostgreSQL; medians of %d rounds of %s.\n\n", r.Users, r.Callers, r.Pool,
		r.Rounds, r.Measure)
	r.costs(&out)
	r.aims(&out)
	r.speeds(&out)
	r.parts(&out)
	return out.String()
}

// costs is the table at the number of connections that the bars are about.
func (r *report) costs(out *strings.Builder) {
	conns := r.mainConns()
	fmt.Fprintf(out, "CPU of one request in µs, at %d connections; the load generator is not counted.\n\n", conns)
	fmt.Fprint(out, "| contender | server | PostgreSQL | both | ÷ floor B | requests/s | p50 ms | p99 ms | MB |\n")
	fmt.Fprint(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, s := range r.Scores {
		m := s.at(conns)
		if m == nil {
			fmt.Fprintf(out, "| %s | | | | | | | | |\n", s.label())
			continue
		}
		of := "–"
		if floor := r.compare(s.Name, "handwritten", conns, cpu); floor != nil {
			of = fmt.Sprintf("%.2f", floor.Median)
		}
		fmt.Fprintf(out, "| %s | %.0f | %.0f | %.0f | %s | %.0f | %s | %s | %d |\n", s.label(), microseconds(m.ServerCPU),
			microseconds(m.DatabaseCPU), microseconds(m.cpu()), of, m.PerSecond, milliseconds(m.P50), milliseconds(m.P99), m.RSS>>20)
	}
}

func cpu(m measurement) float64 { return float64(m.cpu()) }

func p50(m measurement) float64 { return float64(m.P50) }

// bars says what was aimed at, and where this server is.
func (r *report) bars() []bar {
	conns := r.mainConns()
	return []bar{
		{"usergraph", "handwritten", "CPU", conns, 1, r.compare("usergraph", "handwritten", conns, cpu)},
		{"usergraph", "usergraph-open", "CPU", conns, 1.25, r.compare("usergraph", "usergraph-open", conns, cpu)},
		{"usergraph", "fastapi", "CPU", conns, 1. / 5, r.compare("usergraph", "fastapi", conns, cpu)},
		{"usergraph", "supabase", "CPU", conns, 1. / 3, r.compare("usergraph", "supabase", conns, cpu)},
		{"usergraph-open", "mercurius", "CPU", conns, 1, r.compare("usergraph-open", "mercurius", conns, cpu)},
		{"usergraph", "handwritten", "p50", 1, 1.15, r.compare("usergraph", "handwritten", 1, p50)},
	}
}

// aims is the table of the bars.
func (r *report) aims(out *strings.Builder) {
	fmt.Fprint(out, "\nWhat was aimed at; the median of the ratios of all rounds, and the half of them in the middle:\n\n")
	fmt.Fprint(out, "| | compared with | figure | at most | is |\n|---|---|---|--:|--:|\n")
	for _, b := range r.Bars {
		if b.Is != nil {
			fmt.Fprintf(out, "| %s | %s | %s at %d connections | %.2f | %s |\n", b.Ours, b.Theirs, b.Figure, b.Conns, b.Most, b.Is)
		}
	}
}

// compare divides a figure of one contender by that of another, in each round. It returns nil if one was not measured.
func (r *report) compare(ours, theirs string, conns int, figure func(measurement) float64) *ratio {
	over, under := r.rounds(ours, conns), r.rounds(theirs, conns)
	if len(over) == 0 || len(over) != len(under) {
		return nil
	}
	ratios := make([]float64, len(over))
	for n := range over {
		ratios[n] = figure(over[n]) / figure(under[n])
	}
	slices.Sort(ratios)
	return &ratio{Median: quantile(ratios, 0.50), Low: quantile(ratios, 0.25), High: quantile(ratios, 0.75)}
}

// rounds are the measurements of a contender on that many connections.
func (r *report) rounds(name string, conns int) []measurement {
	var all []measurement
	for _, s := range r.Scores {
		for _, m := range s.rounds {
			if s.Name == name && m.Conns == conns {
				all = append(all, m)
			}
		}
	}
	return all
}

// speeds is the table over all numbers of connections.
func (r *report) speeds(out *strings.Builder) {
	var all []int
	for _, s := range r.Scores {
		for _, m := range s.Medians {
			if !slices.Contains(all, m.Conns) {
				all = append(all, m.Conns)
			}
		}
	}
	fmt.Fprint(out, "\nRequests/s, and p50 / p99 in ms, by connections.\n\n| contender |")
	for _, conns := range all {
		fmt.Fprintf(out, " %d | |", conns)
	}
	fmt.Fprint(out, "\n|---|", strings.Repeat("--:|--:|", len(all)), "\n")
	for _, s := range r.Scores {
		fmt.Fprintf(out, "| %s |", s.Name)
		for _, conns := range all {
			if m := s.at(conns); m != nil {
				fmt.Fprintf(out, " %.0f | %s / %s |", m.PerSecond, milliseconds(m.P50), milliseconds(m.P99))
			} else {
				fmt.Fprint(out, " | |")
			}
		}
		fmt.Fprintln(out)
	}
}

// parts lists the versions of what the contenders are made of.
func (r *report) parts(out *strings.Builder) {
	fmt.Fprint(out, "\n")
	for _, s := range r.Scores {
		if len(s.Versions) > 0 {
			fmt.Fprintf(out, "- %s: %s\n", s.Name, strings.Join(s.Versions, ", "))
		}
	}
}

func (s *score) label() string {
	if s.Skipped != "" {
		reason, _, _ := strings.Cut(s.Skipped, "\n")
		return fmt.Sprintf("%s: not measured: %s", s.Name, strings.ReplaceAll(reason, "|", "/"))
	}
	return fmt.Sprintf("%s: %s", s.Name, s.Does)
}

func (s *score) at(conns int) *measurement {
	for n := range s.Medians {
		if s.Medians[n].Conns == conns {
			return &s.Medians[n]
		}
	}
	return nil
}

// mainConns is 64, or the most that was measured.
func (r *report) mainConns() int {
	most := 0
	for _, s := range r.Scores {
		for _, m := range s.Medians {
			if m.Conns == mainConns {
				return mainConns
			}
			most = max(most, m.Conns)
		}
	}
	return most
}

// milliseconds shows three digits.
func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 1:
		return fmt.Sprintf("%.3f", ms)
	case ms < 10:
		return fmt.Sprintf("%.2f", ms)
	case ms < 100:
		return fmt.Sprintf("%.1f", ms)
	}
	return fmt.Sprintf("%.0f", ms)
}

// writeBetween puts text between the two marks of that name in README.md.
func writeBetween(name, text string) error {
	file := filepath.Join("bench", "README.md")
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	begin, end := []byte("<!-- "+name+" -->\n"), []byte("<!-- /"+name+" -->")
	before, rest, found1 := bytes.Cut(page, begin)
	_, after, found2 := bytes.Cut(rest, end)
	if !found1 || !found2 {
		return fmt.Errorf("%s has no %s…%s", file, bytes.TrimSpace(begin), end)
	}
	return os.WriteFile(file, slices.Concat(before, begin, []byte(text), end, after), 0o644)
}
