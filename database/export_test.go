package database

import "context"

// Leftovers looks at n connections of the pool at once, past the callers, and returns what is set on each beyond a
// fresh session: nothing, if all is well.
func (db *DB) Leftovers(ctx context.Context, n int) (found []string, err error) {
	for range n {
		held, err := db.bun.DB.Conn(ctx)
		if err != nil {
			return nil, err
		}
		defer held.Close()
		err = held.Raw(func(driverConn any) error {
			results, err := driverConn.(*conn).pg.Exec(ctx, `select concat_ws(' ', nullif(current_setting('role'), 'none'),
				nullif(session_user, current_user), nullif(current_setting('request.jwt.claims', true), ''), nullif(current_setting('request.jwt.claim.sub', true), ''),
				nullif(current_setting('transaction_read_only'), 'off'), nullif(current_setting('statement_timeout'), '0'))`).ReadAll()
			if err != nil {
				return err
			}
			if left := string(results[0].Rows[0][0]); left != "" {
				found = append(found, left)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// Pooled says whether the pool has noticed a pooler between it and PostgreSQL.
func (db *DB) Pooled(ctx context.Context) (pooled bool, err error) {
	held, err := db.bun.DB.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer held.Close()
	err = held.Raw(func(driverConn any) error {
		pooled = driverConn.(*conn).statements == nil
		return nil
	})
	return pooled, err
}
