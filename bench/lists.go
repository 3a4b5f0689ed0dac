//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// buildBilling compiles examples/billing as its Dockerfile does: without a profile, as the others are.
var buildBilling = buildGo("examples/billing", ".")

// workload is what a table of lists is about.
type workload struct {
	name, does string
	prepare    func(*bench, context.Context) error // makes a database for it alone, if it needs one
	contenders func(*bench, context.Context) ([]contender, error)
}

const deepRow = 1_000_000

var workloads = []workload{
	{
		name: "W1", does: "A page of 20 todos, each with two fields of its project",
		contenders: func(b *bench, _ context.Context) ([]contender, error) {
			all := b.all(todosWithProjects)
			joined := todosWithProjects.joined()
			joined.verify = b.verify(todosWithProjects)
			return slices.Insert(all, 2, joined), nil
		},
	},
	{name: "W2", does: "A page of 20 todos", contenders: asked(todos)},
	{name: "plan", does: "The caller, their subscription, its price, its product", contenders: asked(plan)},
	{name: "products", does: "20 products, each with its prices", contenders: asked(productsWithPrices)},
	{
		name: "insert", does: "One todo inserted and returned, on disk before the answer",
		prepare: (*bench).createInserts,
		contenders: func(b *bench, _ context.Context) ([]contender, error) {
			all := b.all(newTodo)
			for i := range all {
				if all[i].database = insertsPeerName; all[i].name == "usergraph" {
					all[i].database = insertsName
				}
			}
			return all, nil
		},
	},
	{
		name: "deep", does: fmt.Sprintf("A page of 20 todos of a user with %d, after row 20 and after row %d", userTodos+deepTodos, deepRow),
		prepare:    (*bench).createDeep,
		contenders: (*bench).deep,
	},
	{
		name: "me", does: "The caller's row, for comparison: this repository's own server as it is released, and floor B",
		contenders: func(b *bench, _ context.Context) ([]contender, error) {
			all := []contender{meQuestion.contender("usergraph", "usergraph"), meQuestion.contender("handwritten", "handwritten")}
			all[0].build, all[0].does = buildServer, contenders[0].does
			for i := range all {
				all[i].verify = b.verify(meQuestion)
			}
			return all, nil
		},
	},
}

func asked(q question) func(*bench, context.Context) ([]contender, error) {
	return func(b *bench, _ context.Context) ([]contender, error) { return b.all(q), nil }
}

// all are the contenders of a list, this server first.
func (b *bench) all(q question) []contender {
	var all []contender
	for _, name := range []string{"usergraph", "handwritten", "tutorial", "fastapi", "supabase", "postgraphile", "yoga", "mercurius"} {
		c := q.contender(name, name)
		c.verify = b.verify(q)
		all = append(all, c)
	}
	return all
}

// deep asks for a page after row 20 and for one after row 1,000,000, of this server and of floor B.
func (b *bench) deep(ctx context.Context) ([]contender, error) {
	var all []contender
	for _, row := range []int{pageSize, deepRow} {
		createdAt, err := queryText(ctx, b.cluster.admin(deepName), fmt.Sprintf(
			`select to_char(created_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ' ' || id from public.todos
			where user_id = '%s' order by created_at desc, id desc limit 1 offset %d`, userID(0), row-1))
		if err != nil {
			return nil, err
		}
		createdAt, id, _ := strings.Cut(createdAt, " ")
		cursor, err := b.cursor(ctx, createdAt)
		if err != nil {
			return nil, fmt.Errorf("the cursor of row %d: %w", row, err)
		}
		q := pageAfter(row, cursor, createdAt, id)
		for _, of := range []string{"usergraph", "handwritten"} {
			name := of
			if row == deepRow {
				name += "-deep"
			}
			c := q.contender(of, name)
			c.database, c.verify = deepName, b.verify(q)
			if row == deepRow {
				c.does = fmt.Sprintf("the same after row %d", row)
			}
			all = append(all, c)
		}
	}
	return all, nil
}

// cursor asks this server for the cursor of the first user's todo of that time.
func (b *bench) cursor(ctx context.Context, createdAt string) (cursor string, err error) {
	q := todos
	q.document = "query Cursor($at: DateTime!) { todos(first: 1, filter: {createdAt: {eq: $at}}) { pageInfo { hasNextPage endCursor } } }"
	q.variables = func(caller) map[string]any { return map[string]any{"at": createdAt} }
	c := q.contender("usergraph", "usergraph")
	command, err := c.build(ctx, b.dir)
	if err != nil {
		return "", err
	}
	server, err := b.start(ctx, &score{contender: c, command: command}, deepName)
	if err != nil {
		return "", err
	}
	defer server.stop()
	err = ask(ctx, server.address, []request{c.request(server.address, b.callers[0])}, func(_ int, body []byte) error {
		var answer struct {
			Data struct {
				Todos struct{ PageInfo struct{ EndCursor string } }
			}
		}
		err := json.Unmarshal(body, &answer)
		if cursor = answer.Data.Todos.PageInfo.EndCursor; err == nil && cursor == "" {
			err = fmt.Errorf("there is none: %s", body)
		}
		return err
	})
	return cursor, err
}

// lists measures the chosen workloads one after the other; each has its contenders up alone.
func (b *bench) lists(ctx context.Context, names []string) ([]*report, error) {
	for _, name := range names {
		if !slices.ContainsFunc(workloads, func(w workload) bool { return w.name == name }) {
			return nil, fmt.Errorf("there is no workload %s", name)
		}
	}
	if err := b.createLists(ctx); err != nil {
		return nil, err
	}
	everybody := b.callers
	var all []*report
	for _, w := range workloads {
		if names != nil && !slices.Contains(names, w.name) {
			continue
		}
		progress("%s: %s", w.name, w.does)
		b.callers = everybody
		if w.name == "deep" {
			b.callers = everybody[:1] // the first user has the rows
		}
		r, err := b.list(ctx, w)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", w.name, err)
		}
		if r != nil {
			all = append(all, r)
		}
	}
	if all == nil {
		return nil, errors.New("no workload has a contender of that name")
	}
	return all, nil
}

func (b *bench) list(ctx context.Context, w workload) (*report, error) {
	if w.prepare != nil {
		if err := w.prepare(b, ctx); err != nil {
			return nil, err
		}
	}
	entrants, err := w.contenders(b, ctx)
	if err != nil {
		return nil, err
	}
	if b.only != nil && !slices.ContainsFunc(entrants, func(c contender) bool { return slices.Contains(b.only, c.name) }) {
		return nil, nil
	}
	scores, err := b.build(ctx, entrants)
	if err != nil {
		return nil, err
	}
	for _, s := range scores {
		if s.Skipped != "" && b.only != nil {
			return nil, fmt.Errorf("%s: %s", s.Name, s.Skipped) // who is named must be there
		}
	}
	if err := b.takeTurns(ctx, scores); err != nil {
		return nil, err
	}
	r, err := b.report(ctx, scores)
	if err != nil {
		return nil, err
	}
	r.Workload, r.Does = w.name, w.does
	r.Bars = r.listBars()
	return r, nil
}

// aim is a bar of the lists.
type aim struct {
	label                  string
	workload, ours, theirs string
	figure                 string
	conns                  int
	most                   float64
}

var aims = []aim{
	{"W1 ÷ hand-written, two statements", "W1", "usergraph", "handwritten", "CPU", mainConns, 1.10},
	{"W2 ÷ hand-written", "W2", "usergraph", "handwritten", "CPU", mainConns, 1.15},
	{"W1 ÷ hand-written by a join", "W1", "usergraph", "handwritten-join", "CPU", mainConns, 1.20},
	{"W1 ÷ Mercurius", "W1", "usergraph", "mercurius", "CPU", mainConns, 0.65},
	{"W2 ÷ Mercurius", "W2", "usergraph", "mercurius", "CPU", mainConns, 0.75},
	{"W1 ÷ PostGraphile", "W1", "usergraph", "postgraphile", "CPU", mainConns, 0.25},
	{"W1 ÷ hand-written, two statements", "W1", "usergraph", "handwritten", "p50", 1, 1.45},
	{"me ÷ floor B", "me", "usergraph", "handwritten", "CPU", mainConns, 1.05},
	{"page after row 1,000,000 ÷ page after row 20", "deep", "usergraph-deep", "usergraph", "CPU", mainConns, 1.10},
}

// listBars compares this server with each other contender, whether there is a bar or not.
func (r *report) listBars() []bar {
	var bars []bar
	add := func(ours, theirs, figure string, conns int, most float64) {
		of := cpu
		if figure == "p50" {
			of = p50
		}
		if is := r.compare(ours, theirs, conns, of); is != nil {
			bars = append(bars, bar{ours, theirs, figure, conns, most, is})
		}
	}
	for _, a := range aims {
		if a.workload == r.Workload {
			add(a.ours, a.theirs, a.figure, a.conns, a.most)
		}
	}
	for _, s := range r.Scores {
		known := slices.ContainsFunc(bars, func(b bar) bool { return b.Theirs == s.Name && b.Figure == "CPU" })
		if !known && s.Name != "usergraph" {
			add("usergraph", s.Name, "CPU", r.mainConns(), 0)
		}
	}
	return bars
}

const listsFile = "bench/lists.json"

// keepLists puts reports in the place of earlier ones of the same workloads, and returns all. Those of another machine go.
func keepLists(reports []*report) ([]*report, error) {
	var kept []*report
	text, err := os.ReadFile(filepath.FromSlash(listsFile))
	if err == nil {
		err = json.Unmarshal(text, &kept)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []*report
	for _, w := range workloads {
		for _, candidates := range [][]*report{reports, kept} {
			n := slices.IndexFunc(candidates, func(r *report) bool { return r.Workload == w.name && r.Machine == reports[0].Machine })
			if n >= 0 {
				all = append(all, candidates[n])
				break
			}
		}
	}
	if text, err = json.MarshalIndent(all, "", "  "); err != nil {
		return nil, err
	}
	return all, os.WriteFile(filepath.FromSlash(listsFile), append(text, '\n'), 0o644)
}

// listTables writes the tables of lists.
func listTables(all []*report) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s; %s. %d connections to PostgreSQL.\n\n", all[0].Machine, strings.Join(all[0].Versions, ", "), all[0].Pool)
	fmt.Fprint(&out, "| | figure | at most | is |\n|---|---|--:|--:|\n")
	for _, a := range aims {
		for _, r := range all {
			for _, b := range r.Bars {
				if a.workload == r.Workload && a.ours == b.Ours && a.theirs == b.Theirs && a.figure == b.Figure && a.conns == b.Conns {
					fmt.Fprintf(&out, "| %s | %s | %.2f | %s |\n", a.label, figureName(b), a.most, b.Is)
				}
			}
		}
	}
	parts := map[string]*score{}
	for _, r := range all {
		r.listTable(&out)
		for _, s := range r.Scores {
			parts[s.Name] = s
		}
	}
	fmt.Fprintln(&out)
	for _, c := range contenders {
		if s := parts[c.name]; s != nil && len(s.Versions) > 0 {
			fmt.Fprintf(&out, "- %s: %s\n", s.Name, strings.Join(s.Versions, ", "))
		}
	}
	return out.String()
}

func figureName(b bar) string {
	if b.Conns == 1 {
		return b.Figure + " at one connection"
	}
	return fmt.Sprintf("%s at %d connections", b.Figure, b.Conns)
}

// atOnce is the number of requests that are under way at once where latency and memory are looked at.
const atOnce = 100

func (r *report) listTable(out *strings.Builder) {
	conns := r.mainConns()
	fmt.Fprintf(out, "\n**%s**: %s. %s, %d rounds of %s, %d connections.\n\n", r.Workload, r.Does, r.Date, r.Rounds, r.Measure, conns)
	fmt.Fprintf(out, "| contender | server µs | PostgreSQL µs | both | usergraph ÷ it | requests/s | p50 ms alone | p50 / p99 ms, %[1]d at once | MB, %[1]d at once |\n", atOnce)
	fmt.Fprint(out, "|---|--:|--:|--:|--:|--:|--:|--:|--:|\n")
	for _, s := range r.Scores {
		m := s.at(conns)
		if m == nil {
			fmt.Fprintf(out, "| %s | | | | | | | | |\n", s.label())
			continue
		}
		fmt.Fprintf(out, "| %s | %.0f | %.0f | %.0f | %s | %.0f | %s | %s |\n", s.label(), microseconds(m.ServerCPU), microseconds(m.DatabaseCPU),
			microseconds(m.cpu()), r.over(s.Name), m.PerSecond, latency(s.at(1)), together(s.at(atOnce)))
	}
}

// over is how often the CPU of a contender goes into that of this server.
func (r *report) over(name string) string {
	for _, b := range r.Bars {
		if b.Ours == "usergraph" && b.Theirs == name && b.Figure == "CPU" {
			return b.Is.String()
		}
	}
	return "–"
}

func latency(m *measurement) string {
	if m == nil {
		return ""
	}
	return milliseconds(m.P50)
}

func together(m *measurement) string {
	if m == nil {
		return "|"
	}
	return fmt.Sprintf("%s / %s | %d", milliseconds(m.P50), milliseconds(m.P99), m.RSS>>20)
}
