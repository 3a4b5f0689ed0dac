package database_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/uptrace/bun"

	"usergraph/database"
	"usergraph/internal/pgtest"
)

// Many concurrent callers with all kinds of failures: every result belongs to its caller.
func TestClaimsDoNotBleed(t *testing.T) {
	pg := newPostgres(t)
	p := newProxy(t, pg.URL)
	bleed(t, pg, p.URL, 4000, disturbances{cancels: true, kills: true})
	if trips, syncs := p.count('S'); syncs < trips+100 {
		t.Errorf("%d transactions in %d round trips: this shows too little of statements that travel together", syncs, trips)
	}
}

// disturbances happen to statements beside their own errors and timeouts.
type disturbances struct{ cancels, kills bool }

// The expected failures of statements during the disturbances.
var mayFail = []error{context.Canceled, context.DeadlineExceeded, database.ErrUnavailable, database.ErrTimeout, errWanted, errDivision}

var (
	errWanted   = errors.New("wanted")
	errDivision = errors.New("22012")
)

const (
	bleedCallers = 300
	bleedWorkers = 24
	bleedConns   = 6
)

// bleed runs actions of many callers through url, and checks their results and what they left behind.
func bleed(t *testing.T, pg *pgtest.Database, url string, actions int, disturb disturbances) {
	pg.Exec(t, notes)
	callers := make([]uuid.UUID, bleedCallers)
	batch := new(pgx.Batch)
	for i := range callers {
		callers[i] = uuid.New()
		batch.Queue("insert into auth.users (id, raw_user_meta_data) values ($1, jsonb_build_object('full_name', $2::text))", callers[i], callers[i].String())
		batch.Queue("insert into notes (user_id, text) values ($1, $2)", callers[i], callers[i].String())
	}
	w := newWatch(t, pg)
	if err := w.conn.SendBatch(t.Context(), batch).Close(); err != nil {
		t.Fatal(err)
	}
	db := open(t, database.Config{URL: url, MaxConns: bleedConns}.Patient().Watchful())

	stop := make(chan struct{})
	var killer, workers sync.WaitGroup
	killer.Go(func() {
		for disturb.kills {
			select {
			case <-stop:
				return
			case <-time.After(time.Duration(5+rand.IntN(20)) * time.Millisecond):
			}
			_, err := w.conn.Exec(context.Background(), `select pg_terminate_backend(pid, 5000) from pg_stat_activity
				where usename = 'authenticator' and datname = current_database() order by random() limit 1`)
			if err != nil {
				t.Error(err)
			}
		}
	})
	var left, answered, failed atomic.Int64
	left.Store(int64(actions))
	for range bleedWorkers {
		workers.Go(func() {
			for left.Add(-1) >= 0 {
				n := rand.IntN(len(callers))
				id := callers[n]
				ctx, cancel := context.WithCancel(t.Context())
				if disturb.cancels && rand.IntN(4) == 0 {
					time.AfterFunc(time.Duration(rand.IntN(3000))*time.Microsecond, cancel)
				}
				caller := callerOf(id)
				if rand.IntN(4) == 0 {
					caller.Subject = "" // the claims have it
				}
				caller.ReadOnly = rand.IntN(3) > 0
				if rand.IntN(8) == 0 {
					caller.StatementTimeout = time.Duration(1+rand.IntN(5)) * time.Millisecond
				}
				err := act(ctx, db, caller, id, int64(n+1))
				cancel()
				switch {
				case err == nil:
					answered.Add(1)
				case errors.Is(err, database.ErrTimeout) && caller.StatementTimeout == 0:
					t.Errorf("%s was hit by the cancellation of another statement: %v", id, err)
				case errorIsAny(err, mayFail):
					failed.Add(1)
				default:
					t.Errorf("%s: %v", id, err)
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	killer.Wait()
	t.Logf("%d answers, %d failures", answered.Load(), failed.Load())
	if answered.Load() < int64(actions)/3 || failed.Load() < int64(actions)/20 {
		t.Error("this shows too little")
	}

	found, err := db.Leftovers(t.Context(), bleedConns)
	if err != nil || len(found) > 0 {
		t.Errorf("left on idle connections: %q, %v", found, err)
	}
	var wrong int
	err = w.conn.QueryRow(t.Context(), `select count(*) from notes where text not like user_id || '%'`).Scan(&wrong)
	if err != nil || wrong > 0 {
		t.Errorf("%d rows were written by somebody else: %v", wrong, err)
	}
	err = w.conn.QueryRow(t.Context(), `select count(*) from users where full_name not in ('Ada', 'Bob') and full_name not like id || '%'`).Scan(&wrong)
	if err != nil || wrong > 0 {
		t.Errorf("%d names were written by somebody else: %v", wrong, err)
	}
}

// act runs one of many actions, and checks that it ran as the caller. number is the key of a note of the caller's.
func act(ctx context.Context, db *database.DB, caller database.Caller, id uuid.UUID, number int64) error {
	as := db.As(caller)
	action := rand.IntN(11)
	if caller.ReadOnly && action >= 1 && action <= 4 {
		action = 8
	}
	switch action {
	case 0: // no WHERE
		var found []user
		if err := as.NewSelect().Model(&found).Scan(ctx); err != nil {
			return err
		}
		if len(found) != 1 || found[0].ID != id {
			return fmt.Errorf("saw %v", found)
		}
		return nil
	case 1: // no WHERE
		_, err := as.NewUpdate().Model((*user)(nil)).Set("full_name = ?", id.String()+"!").Where("true").Exec(ctx)
		return err
	case 2:
		_, err := as.NewInsert().Model(&note{UserID: id, Text: id.String() + "?"}).Exec(ctx)
		return err
	case 3:
		err := as.RunInTx(ctx, nil, func(ctx context.Context, tx bun.Tx) error {
			if err := whoami(ctx, tx, caller); err != nil {
				return err
			}
			if _, err := tx.NewUpdate().Model((*note)(nil)).Set("text = user_id || ?", "%").Where("true").Exec(ctx); err != nil {
				return err
			}
			if rand.IntN(3) == 0 {
				return errWanted
			}
			return whoami(ctx, tx, caller)
		})
		return err
	case 4: // a transaction that only its context ends
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		tx, err := as.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		return whoami(ctx, tx, caller)
	case 5:
		if _, err := as.ExecContext(ctx, "select 1/0"); err == nil || !isDivision(err) {
			return err
		}
		return errDivision
	case 6:
		caller.StatementTimeout = time.Millisecond
		if _, err := db.As(caller).ExecContext(ctx, "select pg_sleep(0.02)"); !errors.Is(err, database.ErrTimeout) {
			return err
		}
		return errWanted
	case 7: // the caller's note by its number, which is sent as a parameter
		found := new(note)
		if err := as.NewSelect().Model(found).Where("id = ?", number).Scan(ctx); err != nil {
			return err
		}
		if found.ID != number || found.UserID != id || !strings.HasPrefix(found.Text, id.String()) {
			return fmt.Errorf("asked for %d, saw %v", number, found)
		}
		return nil
	case 9: // all notes, of which only the caller's own are visible
		var found []note
		numbers := []int64{number, number%bleedCallers + 1, (number+7)%bleedCallers + 1}
		if err := as.NewSelect().Model(&found).Where("id in (?) and id > ?", bun.List(numbers), 0).Scan(ctx); err != nil {
			return err
		}
		if len(found) != 1 || found[0].UserID != id {
			return fmt.Errorf("asked for %v, saw %v", numbers, found)
		}
		return nil
	default:
		return whoami(ctx, as, caller)
	}
}

// whoami returns the caller as PostgreSQL sees it.
func whoami(ctx context.Context, db bun.IDB, caller database.Caller) error {
	var role, claims, uid string
	if err := db.NewRaw("select current_user, current_setting('request.jwt.claims'), auth.uid(), ?", uuid.NewString()).Scan(ctx, &role, &claims, &uid, new(string)); err != nil {
		return err
	}
	if role != caller.Role || claims != string(caller.Claims) || !strings.Contains(claims, uid) {
		return fmt.Errorf("is %s %s %s", role, claims, uid)
	}
	return nil
}

func isDivision(err error) bool {
	var refused interface{ SQLState() string }
	return errors.As(err, &refused) && refused.SQLState() == "22012"
}

func errorIsAny(err error, kinds []error) bool {
	for _, kind := range kinds {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
