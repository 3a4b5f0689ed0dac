package doctor

import (
	"context"
	"errors"
	"fmt"

	"usergraph/database"
	"usergraph/internal/dsn"
)

// replica waits for the proof that the replica can be read, and then reads there as callers do.
func (p *examination) replica(ctx context.Context) {
	if p.ReadURL == "" {
		return
	}
	config, err := dsn.Postgres(p.ReadURL)
	if err != nil {
		p.found("replica", Error, "DATABASE_READ_URL "+err.Error(), "write it as postgres://user:password@host:5432/postgres; percent-encode the password")
		return
	}
	if !p.reached {
		p.found("replica", Note, "not looked at: without the primary it is not read", "mend the connection to DATABASE_URL first")
		return
	}
	p.tls("replica tls", config)
	if primary, err := dsn.Postgres(p.DatabaseURL); err == nil && primary.User != config.User {
		p.found("replica", Warning, "DATABASE_READ_URL logs in as "+config.User+", DATABASE_URL as "+primary.User, "log in as the same: the checks of the login are of DATABASE_URL's")
	}
	heard := make(chan error, 1)
	db, err := database.Open(database.Config{URL: p.DatabaseURL, MaxConns: 1, Replica: database.ReplicaConfig{
		URL: p.ReadURL, MaxLag: p.MaxLag,
		Report: func(err error) {
			select {
			case heard <- err:
			default:
			}
		},
	}})
	if err != nil {
		p.found("replica", Error, "cannot be opened: "+Reason(err), "check DATABASE_READ_URL")
		return
	}
	defer db.Close()
	select {
	case err = <-heard:
	case <-ctx.Done():
		err = fmt.Errorf("it has not got in %s what the primary had then", checkTimeout)
	}
	switch {
	case errors.Is(err, database.ErrUnavailable):
		p.found("replica", Warning, fmt.Sprintf("%s:%d: %s; all read from the primary", config.Host, config.Port, Reason(err)), "check host, port, user and password in DATABASE_READ_URL")
		return
	case err != nil:
		p.found("replica", Warning, Reason(err)+"; all read from the primary",
			"name one streaming replica of this very database; if it is, pg_stat_replication on the primary tells how far it is")
		return
	}
	p.found("replica", OK, fmt.Sprintf("%s:%d, follows the primary, at most %s behind", config.Host, config.Port, round(db.Replica().Lag())), "")
	for i, role := range []string{"anon", "authenticated"} {
		var one int
		err := db.As(database.Caller{Role: role, Claims: []byte("{}"), ReadOnly: true, MayLag: true}).NewRaw("select 1").Scan(ctx, &one)
		if answered, _ := db.Replica().Reads(); err != nil || answered != uint64(i+1) {
			p.found("replica", Warning, "its login cannot switch to the role "+role+"; all read from the primary", "log in there as in DATABASE_URL")
			return
		}
	}
	if !p.SharesWrites {
		p.found("replica", Note, "servers do not tell each other who has changed something",
			"if there are several, set REDIS_URL, so that callers see their own changes on each of them")
	}
}
