package rows_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"usergraph/database"
	"usergraph/database/rows"
	"usergraph/internal/pgtest"
)

// cell is a row with a key of two columns, and nullable columns with ties.
type cell struct {
	bun.BaseModel `bun:"table:cells,alias:c"`

	A       int32         `bun:"a,pk"`
	B       string        `bun:"b,pk"`
	Word    string        `bun:"word"`
	Whole   *int32        `bun:"whole"`
	Exact   *rows.Decimal `bun:"exact"`
	Ratio   *float64      `bun:"ratio"`
	Flag    *bool         `bun:"flag"`
	Instant *time.Time    `bun:"instant"`
	Local   *time.Time    `bun:"local"`
	Day     *rows.Date    `bun:"day"`
	Mood    *rows.Enum    `bun:"mood"`
	Ref     *uuid.UUID    `bun:"ref"`
}

const cellsTable = `create type mood as enum ('sad', 'happy');
	create table cells (a int not null, b text not null, word text not null, whole int, exact numeric, ratio float8, flag bool, instant timestamptz,
		local timestamp, day date, mood mood, ref uuid, primary key (a, b));
	grant all on cells to authenticated`

// insertCells inserts rows whose keys do not exist yet. Each column has few values, and null.
const insertCells = `insert into cells
	select (random() * 5)::int, substr(md5(random()::text), 1, 6), (array['', 'a', 'B', 'ä', '''', '\', 'a b'])[1 + (random() * 6)::int],
		(array[null, -1, 0, 2147483647])[1 + (random() * 3)::int], (array[null, 'NaN', '-0.10', '1e40', '0.1'])[1 + (random() * 4)::int]::numeric,
		(array[null, 'NaN', '-Infinity', '0.1', '1e300'])[1 + (random() * 4)::int]::float8, (array[null, true, false])[1 + (random() * 2)::int],
		(array[null, 'infinity', '-infinity', '2026-01-01 00:00:00.123456+00', '0044-03-15 00:00+00 BC', '12000-01-01 00:00+00'])[1 + (random() * 5)::int]::timestamptz,
		(array[null, 'infinity', '2026-01-01 00:00:00.123456', '2026-01-01 00:00:00.123457'])[1 + (random() * 3)::int]::timestamp,
		(array[null, 'infinity', '2026-01-01', '0044-03-15 BC', '12000-01-01'])[1 + (random() * 4)::int]::date,
		(array[null, 'sad', 'happy'])[1 + (random() * 2)::int]::mood,
		(array[null, '00000000-0000-4000-8000-000000000001', 'ffffffff-0000-4000-8000-000000000001'])[1 + (random() * 2)::int]::uuid
	from generate_series(1, $1)`

var owner = uuid.MustParse("a0000000-0000-4000-8000-000000000001")

func open(t testing.TB, pg *pgtest.Database, hooks ...bun.QueryHook) bun.IDB {
	t.Helper()
	db, err := database.Open(database.Config{URL: pg.URL, QueryHooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db.As(database.Caller{Role: "authenticated", Subject: owner.String(), Claims: fmt.Appendf(nil, `{"sub":%q,"role":"authenticated"}`, owner)})
}

func query(t testing.TB, pg *pgtest.Database, text string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), pg.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	found, err := conn.Query(t.Context(), text)
	if err != nil {
		t.Fatal(err)
	}
	texts, err := pgx.CollectRows(found, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

// read reads all pages of a list in one direction, and calls between after each. It returns the keys in the list's order.
func read(t *testing.T, db bun.IDB, order *rows.Order, size int, backward bool, between func()) []string {
	t.Helper()
	var keys []string
	page := rows.Page{First: &size, Order: order}
	if backward {
		page = rows.Page{Last: &size, Order: order}
	}
	for range 1000 {
		c, err := rows.Paginate[cell](t.Context(), db.NewSelect().Where("c.word <> ?", "a b"), page, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(c.Nodes) > size {
			t.Fatalf("a page of %d has %d rows", size, len(c.Nodes))
		}
		var found []string
		for i, edge := range c.Edges() {
			found = append(found, fmt.Sprintf("%d %s", edge.Node.A, edge.Node.B))
			if edge.Node != c.Nodes[i] || i == 0 && edge.Cursor() != *c.PageInfo.StartCursor {
				t.Fatal("edges and nodes differ")
			}
		}
		between()
		if backward {
			keys = append(found, keys...)
			if page.Before = c.PageInfo.StartCursor; c.PageInfo.HasPreviousPage {
				continue
			}
		} else {
			keys = append(keys, found...)
			if page.After = c.PageInfo.EndCursor; c.PageInfo.HasNextPage {
				continue
			}
		}
		return keys
	}
	t.Fatal("the list does not end")
	return nil
}

// The pages of a list, one after the other in either direction, are what one query returns: in each order, with nulls and
// ties.
func TestPagesAreTheList(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, cellsTable)
	pg.Exec(t, insertCells, 150)
	db := open(t, pg)
	for _, column := range []string{"", "a", "b", "word", "whole", "exact", "ratio", "flag", "instant", "local", "day", "mood", "ref"} {
		for _, direction := range []string{" asc", " desc"} {
			for _, nulls := range []string{"", " nulls first", " nulls last"} {
				text, order := column+direction+nulls+", a"+direction+", b"+direction, orderOf(column+direction+nulls)
				if column == "" {
					if direction != " asc" || nulls != "" {
						continue
					}
					text, order = "a, b", nil
				}
				want := query(t, pg, "select a || ' ' || b from cells where word <> 'a b' order by "+text)
				for _, backward := range []bool{false, true} {
					size := 1 + rand.IntN(40)
					if got := read(t, db, order, size, backward, func() {}); !slices.Equal(got, want) {
						t.Errorf("order by %s, %d a page, backward %t:\ngot  %v\nwant %v", text, size, backward, got, want)
					}
				}
			}
		}
	}
}

func orderOf(text string) *rows.Order {
	order := rows.Order(strings.ToUpper(strings.ReplaceAll(text, " ", "_")))
	return &order
}

// While rows come and go between pages, each row that stays is in exactly one page, in its place.
func TestPagesWhileRowsChange(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, cellsTable)
	pg.Exec(t, insertCells, 100)
	pg.Exec(t, "create table stays as select a, b from cells")
	db := open(t, pg)
	for _, order := range []string{"word asc", "whole desc", "whole asc nulls first", "instant asc", "exact desc nulls last", "flag asc"} {
		want := query(t, pg, "select a || ' ' || b from cells c join stays using (a, b) where word <> 'a b' order by "+order+", a "+strings.Fields(order)[1]+", b "+strings.Fields(order)[1])
		for _, backward := range []bool{false, true} {
			got := read(t, db, orderOf(order), 1+rand.IntN(10), backward, func() {
				pg.Exec(t, insertCells, 5)
				// The row of the last cursor may be among them.
				pg.Exec(t, "delete from cells c where random() < 0.5 and not exists (select from stays s where (s.a, s.b) = (c.a, c.b))")
			})
			seen := map[string]int{}
			for _, key := range got {
				if seen[key]++; seen[key] > 1 {
					t.Errorf("%s: %s is there twice", order, key)
				}
			}
			stayed := slices.DeleteFunc(got, func(key string) bool { return !slices.Contains(want, key) })
			if !slices.Equal(stayed, want) {
				t.Errorf("%s, backward %t:\ngot  %v\nwant %v", order, backward, stayed, want)
			}
		}
	}
}

// A cursor is that of its list and order alone. Whatever else a client sends is an error of its own.
func TestCursors(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, cellsTable)
	pg.Exec(t, insertCells, 30)
	db := open(t, pg)
	one := 1
	first, err := rows.Paginate[cell](t.Context(), db.NewSelect(), rows.Page{First: &one, Order: orderOf("whole asc nulls first")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	cursor := *first.PageInfo.EndCursor
	var cursors []string
	for i := range cursor {
		cursors = append(cursors, cursor[:i], cursor[:i]+"A"+cursor[i:], cursor[:i]+"="+cursor[i+1:])
	}
	for _, other := range append(cursors, "", " ", "e30", "bnVsbA", "W251bGxd", "WzFd", strings.Repeat("a", 20_000), cursor+cursor, "\x00", "é") {
		_, err := rows.Paginate[cell](t.Context(), db.NewSelect(), rows.Page{First: &one, After: &other, Order: orderOf("whole asc nulls first")}, nil)
		var input *rows.InputError
		// A changed cursor may still be one, of another place; PostgreSQL judges its values.
		if err != nil && !errors.As(err, &input) && !errors.Is(err, database.ErrInvalid) {
			t.Errorf("%q: %v", other, err)
		}
	}
	for _, order := range []*rows.Order{nil, orderOf("whole asc"), orderOf("whole desc"), orderOf("whole desc nulls last"), orderOf("ratio asc nulls first")} {
		_, err := rows.Paginate[cell](t.Context(), db.NewSelect(), rows.Page{First: &one, After: &cursor, Order: order}, nil)
		if input := (*rows.InputError)(nil); !errors.As(err, &input) || !strings.Contains(input.Message, "another order") {
			t.Errorf("%v: %v", order, err)
		}
	}
}

// statements keeps the text of what bun sends.
type statements struct{ texts []string }

func (*statements) BeforeQuery(ctx context.Context, _ *bun.QueryEvent) context.Context { return ctx }
func (s *statements) AfterQuery(_ context.Context, event *bun.QueryEvent) {
	s.texts = append(s.texts, strings.ReplaceAll(event.Query, "\x01", ""))
}

// item is a row of a large table.
type item struct {
	bun.BaseModel `bun:"table:items,alias:i"`

	ID      int64      `bun:"id,pk"`
	OwnerID uuid.UUID  `bun:"owner_id"`
	Made    time.Time  `bun:"made"`
	Due     *rows.Date `bun:"due"`
}

// A page deep in a list reads its own rows from the index, and not those before it.
func TestDeepPagesReadTheirRows(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, `create table items (id bigint primary key, owner_id uuid not null, made timestamptz not null, due date);
		insert into items select i, case when i % 2 = 0 then '`+owner.String()+`'::uuid else gen_random_uuid() end, '2026-01-01Z'::timestamptz + i / 7 * interval '1 second',
			case when i % 3 > 0 then date '2026-01-01' + i / 1000 end from generate_series(1, 300000) i;
		create index on items (owner_id, made, id);
		create index on items (owner_id, due, id);
		analyze items; grant select on items to authenticated`)
	sent := new(statements)
	db := open(t, pg, sent)
	for _, order := range []string{"", "made asc", "made desc", "due asc", "due desc"} {
		for _, depth := range []int{0, 100_000, 149_000} {
			for _, backward := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s %d %t", order, depth, backward), func(t *testing.T) {
					size := 20
					page := rows.Page{First: &size}
					if backward {
						page = rows.Page{Last: &size}
					}
					if order != "" {
						page.Order = orderOf(order)
					}
					if depth > 0 {
						cursor := cursorAt(t, pg, db, page, order, depth)
						if page.After = &cursor; backward {
							page.After, page.Before = nil, &cursor
						}
					}
					sent.texts = nil
					c, err := rows.Paginate[item](t.Context(), db.NewSelect().Where("i.owner_id = ?", owner), page, nil)
					if err != nil || len(c.Nodes) != size || len(sent.texts) != 1 {
						t.Fatal(len(c.Nodes), sent.texts, err)
					}
					plan := query(t, pg, "explain (analyze, timing off, summary off, costs off) "+sent.texts[0])
					for _, line := range plan {
						var removed int
						if _, err := fmt.Sscanf(strings.TrimSpace(line), "Rows Removed by Filter: %d", &removed); err == nil && removed > 3*size ||
							strings.Contains(line, "Seq Scan") || strings.Contains(line, "Bitmap") {
							t.Fatalf("%s\n%s", sent.texts[0], strings.Join(plan, "\n"))
						}
					}
					for line := range strings.Lines(strings.Join(plan, "\n")) {
						if _, after, ok := strings.Cut(line, "rows="); ok {
							var read int
							if _, err := fmt.Sscanf(after, "%d", &read); err != nil || read > 3*size {
								t.Fatalf("%s\n%s", sent.texts[0], strings.Join(plan, "\n"))
							}
						}
					}
				})
			}
		}
	}
}

// cursorAt returns the cursor of a row at a depth of the owner's list.
func cursorAt(t *testing.T, pg *pgtest.Database, db bun.IDB, page rows.Page, order string, depth int) string {
	t.Helper()
	text := "id"
	if order != "" {
		text = order + ", id " + strings.Fields(order)[1]
	}
	id := query(t, pg, fmt.Sprintf("select i.id::text as key from items i where owner_id = '%s' order by %s offset %d limit 1", owner, text, depth))[0]
	one, err := rows.Paginate[item](t.Context(), db.NewSelect().Where("i.id = ?", id), rows.Page{Order: page.Order}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return *one.PageInfo.EndCursor
}
