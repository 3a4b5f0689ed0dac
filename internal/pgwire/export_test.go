package pgwire

import "context"

// RunAlone returns a function that runs a statement for a caller on one connection, past pool and database/sql.
func (p *Pool) RunAlone(ctx context.Context, caller *Caller, text string) (run func() error, err error) {
	t, err := p.acquire(ctx, nil)
	if err != nil {
		return nil, err
	}
	return func() error {
		j, err := newJob(ctx, caller, text)
		if err != nil {
			return err
		}
		_, err = t.conn.run(j)
		return err
	}, nil
}

// Settings are the text and the values of a caller's settings.
func Settings(caller *Caller, searchPath string) (text string, values [][]byte) {
	return settings[ownKind+readOnlyKind], [][]byte{[]byte(caller.Role), caller.Claims, []byte(caller.Subject), []byte("0"), []byte(searchPath)}
}
