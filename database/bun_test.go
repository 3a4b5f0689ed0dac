package database_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"usergraph/database"
)

type order struct {
	bun.BaseModel `bun:"table:orders"`

	ID    int64   `bun:"id,pk"`
	Items []*item `bun:"m2m:order_items,join:Order=Item"`
}

type item struct {
	bun.BaseModel `bun:"table:items"`

	ID   int64  `bun:"id,pk"`
	Name string `bun:"name"`
}

type orderItem struct {
	bun.BaseModel `bun:"table:order_items"`

	OrderID int64  `bun:"order_id,pk"`
	Order   *order `bun:"rel:belongs-to,join:order_id=id"`
	ItemID  int64  `bun:"item_id,pk"`
	Item    *item  `bun:"rel:belongs-to,join:item_id=id"`
}

// A many-to-many relation needs a model that no query names.
func TestManyToMany(t *testing.T) {
	pg := newPostgres(t)
	pg.Exec(t, `create table orders (id bigint primary key); create table items (id bigint primary key, name text);
		create table order_items (order_id bigint references orders, item_id bigint references items, primary key (order_id, item_id));
		grant all on orders, items, order_items to authenticated;
		insert into orders values (1), (2); insert into items values (1, 'a'), (2, 'b'); insert into order_items values (1, 1), (1, 2), (2, 2)`)
	db := open(t, database.Config{URL: pg.URL, MaxConns: 1, Models: []any{(*orderItem)(nil)}})
	thrice(t, func(t *testing.T) {
		var found []order
		if err := db.As(callerOf(ada)).NewSelect().Model(&found).Relation("Items").Order("id").Scan(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(found) != 2 || len(found[0].Items) != 2 || len(found[1].Items) != 1 || found[1].Items[0].Name != "b" {
			t.Errorf("%+v", found)
		}
	})
}

// hook counts statements, and adds a value to their context.
type hook struct{ before, after []string }

type hookKey struct{}

func (h *hook) BeforeQuery(ctx context.Context, event *bun.QueryEvent) context.Context {
	h.before = append(h.before, event.Operation())
	return context.WithValue(ctx, hookKey{}, "x")
}

func (h *hook) AfterQuery(ctx context.Context, event *bun.QueryEvent) {
	if ctx.Value(hookKey{}) != "x" || event.Err != nil && !errors.Is(event.Err, database.ErrInvalid) {
		h.after = append(h.after, "wrong")
		return
	}
	h.after = append(h.after, event.Operation())
}

// A hook is called once for each statement, however it is run. The statement still runs as its caller.
func TestQueryHooks(t *testing.T) {
	pg := newPostgres(t)
	heard := new(hook)
	db := open(t, database.Config{URL: pg.URL, MaxConns: 1, QueryHooks: []bun.QueryHook{heard}})
	for name, test := range map[string]struct {
		run  func(ctx context.Context, db bun.IDB) error
		want []string
	}{
		"select": {func(ctx context.Context, db bun.IDB) error { return db.NewSelect().Model(new(user)).Scan(ctx) }, []string{"SELECT"}},
		"raw": {func(ctx context.Context, db bun.IDB) error {
			return db.NewRaw("SELECT auth.uid()").Scan(ctx, new(uuid.UUID))
		}, []string{"SELECT"}},
		"update": {func(ctx context.Context, db bun.IDB) error { return rename(ctx, db, ada, "Ada") }, []string{"UPDATE"}},
		"exec": {func(ctx context.Context, db bun.IDB) error {
			_, err := db.ExecContext(ctx, "SELECT ?", "x")
			return err
		}, []string{"SELECT"}},
		"query": {func(ctx context.Context, db bun.IDB) error {
			rows, err := db.QueryContext(ctx, "SELECT ?", "x")
			return errors.Join(err, rows.Close())
		}, []string{"SELECT"}},
		"row": {func(ctx context.Context, db bun.IDB) error {
			var id uuid.UUID
			if err := db.QueryRowContext(ctx, "SELECT auth.uid() WHERE ? = 'x'", "x").Scan(&id); err != nil || id != ada {
				return errors.Join(err, errors.New(id.String()))
			}
			return nil
		}, []string{"SELECT"}},
		"error": {func(ctx context.Context, db bun.IDB) error {
			if _, err := db.ExecContext(ctx, "SELECT 1/0"); !errors.Is(err, database.ErrInvalid) {
				return errors.New("no error")
			}
			return nil
		}, []string{"SELECT"}},
		"transaction": {func(ctx context.Context, db bun.IDB) error {
			return db.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error { return rename(ctx, tx, ada, "Ada") })
		}, []string{"BEGIN", "UPDATE", "COMMIT"}},
	} {
		t.Run(name, func(t *testing.T) {
			for range 3 {
				*heard = hook{}
				if err := test.run(t.Context(), db.As(callerOf(ada))); err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(heard.before, test.want) || !slices.Equal(slices.Sorted(slices.Values(heard.after)), slices.Sorted(slices.Values(test.want))) {
					t.Errorf("before %q, after %q, want %q", heard.before, heard.after, test.want)
				}
			}
		})
	}
}
