// Package postgres answers one question: where do development and tests get a PostgreSQL?
//
// It runs as a child process, listens on 127.0.0.1 only, has random passwords, and ends when this process ends, even by
// SIGKILL.
package postgres

// Config says where the data is and how PostgreSQL runs.
type Config struct {
	// DataDir holds the cluster, its passwords and its log. It is created, with its parents. If the process runs as
	// root, it may become a link to a folder in /var/lib/usergraph: PostgreSQL refuses to run as root and must reach
	// its data.
	DataDir string
	// Port is the port on 127.0.0.1; 0 lets the system choose.
	Port int
	// Settings are run-time parameters, as in postgresql.conf. With fsync off, initdb does not sync either.
	Settings map[string]string
	// Temporary deletes DataDir after PostgreSQL has stopped, even if this process was killed. DataDir must be in a
	// folder such as os.TempDir, where the account that PostgreSQL runs as may delete it.
	Temporary bool
	// Mirror is the URL of the Maven repository from which PostgreSQL is downloaded if it is not installed. Defaults to
	// the public repository.
	Mirror string
	// Progress, if set, is called before a long step: the download.
	Progress func(message string)

	// places are the folders to search for PostgreSQL, and cache is the folder of downloads. They default to the usual
	// ones.
	places []string
	cache  string
}
