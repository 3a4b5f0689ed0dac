// Package postgres answers one question: where do development and tests get a PostgreSQL?
//
// It runs as a child process: it listens on 127.0.0.1 only, has random passwords, and goes when this process goes, however
// it goes.
package postgres

// Config says where the data is and how PostgreSQL runs.
type Config struct {
	// DataDir keeps the cluster, its passwords and its log. It is created, with its parents. As root it may become a
	// link to a folder in /var/lib/usergraph, because PostgreSQL refuses to run as root and must reach its data.
	DataDir string
	// Port on 127.0.0.1; 0 lets the system choose.
	Port int
	// Settings are run-time parameters, as in postgresql.conf. With fsync off, initdb does not wait for the disk either.
	Settings map[string]string
	// Temporary deletes DataDir when PostgreSQL has stopped, also when this process was killed: in a folder such as
	// os.TempDir, where the account that PostgreSQL runs as may delete it.
	Temporary bool
	// Mirror is the URL of the Maven repository from which PostgreSQL is downloaded where this machine has none.
	// Empty is the public one.
	Mirror string
	// Progress, if not nil, is told before something that takes its time: the download.
	Progress func(message string)

	// places are folders to look for PostgreSQL in, and cache is one for downloads; nil and "" are the usual ones.
	places []string
	cache  string
}
