//go:build services

package doctor_test

import (
	"testing"

	"usergraph/internal/doctor"
	"usergraph/internal/pgtest"
)

func TestPooler(t *testing.T) {
	pg := pgtest.New(t)
	pooled := pgtest.PgBouncer(t, pg.URL)
	findings := examine(t, doctor.Config{DatabaseURL: pooled})
	expect(t, findings, "pooler", doctor.Warning, "is a pooler: statements are not prepared")
	expect(t, findings, "changes", doctor.Warning, "set DATABASE_LISTEN_URL")
	findings = examine(t, doctor.Config{DatabaseURL: pooled, ListenURL: pg.URL})
	expect(t, findings, "pooler", doctor.OK, "changes come by DATABASE_LISTEN_URL")
	expect(t, findings, "changes", doctor.OK, "subscriptions work")
}
