package app

import "errors"

// removed are settings of earlier versions that a server must not start with, and what to do instead: without them it
// would do something else than its configuration says.
var removed = []struct{ name, instead string }{
	{"SUPABASE_OTHER_PROJECTS", "is no setting any more: an administrator of the other project could give a user there the id of a user here, and read their rows. " +
		"Take it out and run one server for each project; further names of the same project, such as a custom domain, belong into SUPABASE_JWT_ISSUER"},
}

func checkRemoved(getenv func(string) string) (problems []error) {
	for _, setting := range removed {
		if getenv(setting.name) != "" {
			problems = append(problems, errors.New(setting.name+" "+setting.instead))
		}
	}
	return problems
}
