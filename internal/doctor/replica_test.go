//go:build services

package doctor_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"usergraph/internal/doctor"
	"usergraph/internal/pgtest"
)

func TestReplica(t *testing.T) {
	pg := pgtest.New(t)
	pg.Exec(t, "create role doctor_reader login noinherit password 'secret-password'")
	t.Cleanup(func() { pg.Exec(t, "drop role doctor_reader") })
	standby := pgtest.NewStandby(t, pg)
	read := func(address string) map[string][]doctor.Finding {
		t.Helper()
		return examine(t, doctor.Config{DatabaseURL: pg.URL, ReadURL: address, MaxLag: 5 * time.Second})
	}
	findings := read(standby.URL)
	expect(t, findings, "replica", doctor.OK, "follows the primary, at most ")
	expect(t, findings, "replica", doctor.Note, "set REDIS_URL")
	expect(t, findings, "replica tls", doctor.OK, "on this machine")
	shares := examine(t, doctor.Config{DatabaseURL: pg.URL, ReadURL: standby.URL, MaxLag: 5 * time.Second, SharesWrites: true})
	if found := fmt.Sprint(shares["replica"]); strings.Contains(found, "REDIS_URL") {
		t.Error(found)
	}

	u, err := url.Parse(standby.URL)
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	for name, test := range map[string]struct {
		url      string
		severity doctor.Severity
		says     string
	}{
		"the primary":      {pg.URL, doctor.Warning, "it is no replica"},
		"another database": {strings.Replace(standby.URL, pg.Name(), "postgres", 1), doctor.Warning, "a replica of another database"},
		"nobody listens":   {strings.Replace(standby.URL, u.Host, "127.0.0.1:1", 1), doctor.Warning, "all read from the primary -> check host, port"},
		"wrong password":   {strings.Replace(standby.URL, password, "hunter2", 1), doctor.Warning, "check host, port, user and password"},
		"another login":    {as(standby.URL, "doctor_reader"), doctor.Warning, "cannot switch to the role anon"},
		"malformed":        {"postgres://authenticator:hunter2@127.0.0.1:port/postgres", doctor.Error, "percent-encode the password"},
	} {
		findings := read(test.url)
		expect(t, findings, "replica", test.severity, test.says)
		if text := fmt.Sprint(findings); strings.Contains(text, "hunter2") || strings.Contains(text, "secret-password") || strings.Contains(text, password) {
			t.Errorf("%s: a password is shown: %s", name, text)
		}
	}
	expect(t, read(as(standby.URL, "doctor_reader")), "replica", doctor.Warning, "logs in as doctor_reader, DATABASE_URL as authenticator")
	expect(t, examine(t, doctor.Config{DatabaseURL: as(pg.URL, "nobody"), ReadURL: standby.URL, MaxLag: time.Second}), "replica", doctor.Note, "without the primary")

	standby.Pause(t)
	pg.Exec(t, "create table public.later ()")
	expect(t, read(standby.URL), "replica", doctor.Warning, "it is too far behind")
}
