package models

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// SessionIsLive tells whether the session of the caller's token goes on: it is there, it has not expired, and its user
// is neither banned nor deleted. A token without session_id has none. db must run as the caller.
func SessionIsLive(ctx context.Context, db bun.IDB) (live bool, err error) {
	if err := db.NewRaw("SELECT public.session_is_live()").Scan(ctx, &live); err != nil {
		return false, fmt.Errorf("session is live: %w", err)
	}
	return live, nil
}
